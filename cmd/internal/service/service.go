package service

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/popferry/popferry/cmd/internal/invocation"
)

// Kind is a way to keep popferry running.
type Kind uint8

// The ways.
const (
	Cron          Kind = iota // crontab(5): a poll every ten minutes
	SystemdSystem             // a system unit of systemd
	SystemdUser               // a unit of a user's systemd
	Launchd                   // a LaunchAgent of macOS
	Windows                   // the task scheduler
	Compose                   // docker compose
	Kubernetes
)

// String is the way in words.
func (k Kind) String() string {
	return [...]string{"cron", "systemd", "systemd, as this user", "launchd", "the task scheduler", "docker compose", "Kubernetes"}[k]
}

// Machine is what the choice depends on.
type Machine struct {
	OS         string // as runtime.GOOS
	Root       bool
	Systemd    bool // it is the service manager
	Container  bool
	Kubernetes bool
}

// Here returns this machine.
func Here() Machine {
	exists := func(path string) bool { _, err := os.Stat(path); return err == nil }
	return Machine{
		OS: runtime.GOOS, Root: os.Geteuid() == 0,
		Systemd:    exists("/run/systemd/system"), // sd_booted(3)
		Container:  exists("/.dockerenv") || exists("/run/.containerenv") || InImage(),
		Kubernetes: os.Getenv("KUBERNETES_SERVICE_HOST") != "",
	}
}

// InImage reports whether this is popferry's container image, which sets this
// (systemd.io/CONTAINER_INTERFACE): no shell is in it, and commands come from outside.
func InImage() bool { return os.Getenv("container") == "oci" }

// Kind returns the way that fits.
func (m Machine) Kind() Kind {
	switch {
	case m.Kubernetes:
		return Kubernetes
	case m.Container:
		return Compose
	case m.OS == "linux" && m.Systemd && m.Root:
		return SystemdSystem
	case m.OS == "linux" && m.Systemd:
		return SystemdUser
	case m.OS == "darwin":
		return Launchd
	case m.OS == "windows":
		return Windows
	}
	return Cron
}

// Setup is what is to be kept running. All paths are absolute.
type Setup struct {
	Program string
	Config  string // "": where the program looks by itself
	// StateDir is the folder of the ledger, if a service would not find it by itself.
	StateDir string
}

// Commands are what the user has to type, a line each.
func (s Setup) Commands(k Kind) string {
	switch k {
	case SystemdSystem:
		return s.systemd("/etc/systemd/system", "User=root\nCapabilityBoundingSet=\n", "multi-user.target") +
			"systemctl daemon-reload\nsystemctl enable --now popferry\n"
	case SystemdUser:
		return "mkdir -p ~/.config/systemd/user\n" + s.systemd("~/.config/systemd/user", "", "default.target") +
			"systemctl --user daemon-reload\nsystemctl --user enable --now popferry\nloginctl enable-linger    # it runs without a login, too\n"
	case Launchd:
		return s.launchd()
	case Windows:
		return s.windows()
	case Compose:
		return "docker compose up -d\n"
	case Kubernetes:
		return "kubectl apply -k .    # in the folder of your overlay\n"
	case Cron:
	}
	return s.cron()
}

const unit = `[Unit]
Description=popferry: collect mail from POP3 mailboxes
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart=%[1]s run%[2]s
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=30s
RestartPreventExitStatus=64 78
WatchdogSec=2min
NoNewPrivileges=yes
UMask=0077
%[3]s
[Install]
WantedBy=%[4]s
`

// systemd writes a unit into a folder.
func (s Setup) systemd(folder, more, target string) string {
	if s.StateDir != "" {
		more += "Environment=" + unitWord("STATE_DIRECTORY="+s.StateDir) + "\n"
	}
	config := ""
	if s.Config != "" {
		config = " --config " + unitWord(s.Config)
	}
	text := fmt.Sprintf(unit, unitWord(s.Program), config, more, target)
	return fmt.Sprintf("cat >%s/popferry.service <<'END'\n%sEND\n", folder, text)
}

// unitWord is a word as systemd.service(5) and systemd.unit(5) take it.
func unitWord(word string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$").Replace(word) + `"`
}

const agent = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN"
 "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
<key>Label</key><string>popferry</string>
<key>ProgramArguments</key><array>
<string>%s</string><string>run</string>
%s</array>
<key>RunAtLoad</key><true/>
<key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
<key>ThrottleInterval</key><integer>30</integer>
%s</dict></plist>
`

func (s Setup) launchd() string {
	xml := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	more := ""
	if s.StateDir != "" {
		more = "<key>EnvironmentVariables</key><dict><key>STATE_DIRECTORY</key>\n<string>" + xml.Replace(s.StateDir) + "</string></dict>\n"
	}
	config := ""
	if s.Config != "" {
		config = "<string>--config</string><string>" + xml.Replace(s.Config) + "</string>\n"
	}
	return "mkdir -p ~/Library/LaunchAgents\ncat >~/Library/LaunchAgents/popferry.plist <<'END'\n" +
		fmt.Sprintf(agent, xml.Replace(s.Program), config, more) +
		"END\nlaunchctl bootstrap gui/$(id -u) \\\n  ~/Library/LaunchAgents/popferry.plist\n"
}

// windows is for cmd.exe. The task runs while the user is logged in.
func (s Setup) windows() string {
	command := `\"` + s.Program + `\" run --once --quiet`
	if s.Config != "" {
		command += ` --config \"` + s.Config + `\"`
	}
	return "schtasks /create /tn popferry /sc minute /mo 10 ^\n  /tr \"" + command + "\"\n"
}

// cron adds a line to the user's crontab.
func (s Setup) cron() string {
	line := invocation.Quote(s.Program) + " run --once --quiet"
	if s.Config != "" {
		line += " --config " + invocation.Quote(s.Config)
	}
	if s.StateDir != "" {
		line = "STATE_DIRECTORY=" + invocation.Quote(s.StateDir) + " " + line
	}
	line = "*/10 * * * * " + strings.ReplaceAll(line, "%", `\%`) // crontab(5)
	return "(crontab -l 2>/dev/null; echo \\\n" + invocation.Quote(line) + ") | crontab -\n"
}
