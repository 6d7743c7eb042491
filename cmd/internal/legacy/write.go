package legacy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/popferry/popferry/cmd/internal/config"
)

// Create writes the files with passwords, and then the configuration that names
// them to path. It overwrites no file: the error is fs.ErrExist then.
func (d Draft) Create(path string) error {
	text, err := d.YAML()
	if err != nil {
		return err
	}
	for _, s := range d.Secrets {
		file := filepath.Join(filepath.Dir(path), s.Name)
		content := []byte(s.Password.Reveal() + "\n")
		err := config.Create(file, content)
		if errors.Is(err, fs.ErrExist) {
			if have, readErr := os.ReadFile(file); readErr == nil && string(have) == string(content) {
				continue // an import that was interrupted wrote it
			}
			return fmt.Errorf("%w; a password of the configuration would go there: move the file away, or write to another folder with --output", err)
		}
		if err != nil {
			return err
		}
	}
	return config.Create(path, text)
}
