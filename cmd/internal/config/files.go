package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/popferry/popferry/cmd/internal/trust"
)

// path sets the path of a file or folder that need not exist. A relative path is
// relative to the folder of the configuration file.
func (l *loader) path(p *string) setter {
	return func(v yamlValue) {
		text(p)(v)
		*p = l.expand(v, *p)
	}
}

// file sets the path of a file that must exist, and that nobody else may write: it says
// whom popferry trusts. Credentials of the service manager come first.
func (l *loader) file(p *string) setter {
	return func(v yamlValue) {
		text(p)(v)
		if *p == "" {
			return
		}
		*p = l.locate(v, *p)
		l.config.Files = append(l.config.Files, *p)
		if _, err := os.Stat(*p); err != nil && !l.env.ReadOnly {
			v.fail("cannot read %s: %v", *p, reason(err))
			return
		}
		l.trusted(v, *p)
	}
}

// trusted reports what others can write, or reports true. Who only looks may be another
// user.
func (l *loader) trusted(v yamlValue, path string) bool {
	refused, ok := errors.AsType[*trust.Error](l.env.Guard.Check(path))
	if !ok || l.env.ReadOnly {
		return true
	}
	v.fail("%v", refused)
	l.config.Files = append(l.config.Files, refused.Culprit)
	return false
}

// expand returns the path that name means in the file of v.
func (l *loader) expand(v yamlValue, name string) string {
	if home := l.env.Getenv("HOME"); home != "" && len(name) > 1 && name[0] == '~' && os.IsPathSeparator(name[1]) {
		return filepath.Join(home, name[2:])
	}
	return under(filepath.Dir(v.file), name)
}

// under returns name relative to dir; an absolute name and "" stay as they are.
func under(dir, name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// locate returns the path of a file: the service manager's credential of this
// name if there is one, otherwise the path that it means in the file of v. Without the
// service manager, as at a shell, the credential password_isp is the file that it is
// made of: systemd names those of a folder so (LoadCredential= in systemd.exec(5)).
func (l *loader) locate(v yamlValue, name string) string {
	if dir := l.env.Getenv("CREDENTIALS_DIRECTORY"); dir != "" && filepath.IsLocal(name) {
		if path := filepath.Join(dir, name); l.env.Exists(path) {
			return path
		}
	}
	path := l.expand(v, name)
	if folder, file, ok := strings.Cut(name, "_"); ok && filepath.IsLocal(name) && !l.env.Exists(path) {
		if source := filepath.Join(filepath.Dir(path), folder, file); l.env.Exists(source) {
			return source
		}
	}
	return path
}

// secretFile sets the path of a file with a secret.
func (l *loader) secretFile(p *string) setter {
	return func(v yamlValue) {
		if l.file(p)(v); *p != "" {
			l.warnReadable(v, *p)
		}
	}
}

// checkSecretFile reports a file with a secret that others can write, and warns of
// one that they can read, unless the service manager made it.
func (l *loader) checkSecretFile(v yamlValue, path string) {
	if l.trusted(v, path) {
		l.warnReadable(v, path)
	}
}

// warnReadable warns of a file with a secret that others can read, unless the service
// manager made it.
func (l *loader) warnReadable(v yamlValue, path string) {
	if l.env.ReadOnly {
		return
	}
	if info, err := os.Stat(path); err == nil && path == l.expand(v, v.node.Value) {
		l.warnExposed(v, info, path, "run chmod 600 "+path)
	}
}

// warnExposed warns of a file with a secret that others can read.
func (l *loader) warnExposed(v yamlValue, info fs.FileInfo, what, remedy string) {
	if who := l.env.Guard.Exposed(info); who != "" {
		v.warn("%s can read %s (mode %04o); %s", who, what, info.Mode().Perm(), remedy)
	}
}

// password sets a password that is in the configuration file. It warns once for
// each file that other users can read.
func (l *loader) password(p *Secret) setter {
	return func(v yamlValue) {
		s, ok := v.scalar()
		if !ok || s == "" {
			return
		}
		*p = NewSecret(cutLineEnds(s))
		if info := l.infos[v.file]; v.report != nil && info != nil {
			l.warnExposed(v, info, "this file", "run chmod 600 "+v.file+", or use password_file")
			delete(l.infos, v.file)
		}
	}
}

// variableForm matches the names of environment variables.
var variableForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// passwordEnv sets a password from an environment variable. An invalid name is
// not shown: it may be the password itself.
func (l *loader) passwordEnv(p *Secret) setter {
	return func(v yamlValue) {
		s, ok := v.scalar()
		switch {
		case !ok || s == "":
		case !variableForm.MatchString(s):
			v.fail("must be the name of an environment variable")
		default:
			l.variables = append(l.variables, s)
			*p = secretFromEnv(s, l.env.Getenv)
			if l.env.Getenv(s) == "" {
				v.warn("%v", notSet(s))
			}
		}
	}
}

// secretVariables are the environment variables with passwords, of all accounts
// and destinations.
func (l *loader) secretVariables() []string { return l.variables }

// passwordFile sets a password that is read from a file.
func (l *loader) passwordFile(p *Secret) setter {
	return func(v yamlValue) {
		var name string
		if text(&name)(v); name == "" {
			return
		}
		path := l.locate(v, name)
		l.config.Files = append(l.config.Files, path)
		if _, err := os.Stat(path); err != nil && !l.env.ReadOnly {
			v.fail("cannot read %s: %v", shownFile(name, path), reason(err))
		} else {
			l.checkSecretFile(v, path)
		}
		*p = secretFromFile(l.env.Guard, name, func() string { return l.locate(v, name) })
	}
}

// passwordCommand sets a password that a command prints.
func (l *loader) passwordCommand(p *Secret) setter {
	return func(v yamlValue) {
		var command string
		if text(&command)(v); command != "" {
			*p = shellCommand{command, filepath.Dir(v.file), l.secretVariables}.secret()
		}
	}
}

// tokenCommand sets an access token that a command prints.
func (l *loader) tokenCommand(s *Server) setter {
	return func(v yamlValue) {
		var command Secret
		if l.passwordCommand(&command)(v); !command.IsZero() {
			s.Secret, s.Token = tokenFrom(command), true
		}
	}
}

// reason returns a file error without its operation and path.
func reason(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
