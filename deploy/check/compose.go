package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"sigs.k8s.io/yaml"
)

// compose is the part of the Compose specification that compose.yaml uses.
type compose struct {
	Name     string             `json:"name"`
	Services map[string]service `json:"services"`
	Secrets  map[string]struct {
		File string `json:"file"`
	} `json:"secrets"`
	Volumes map[string]*struct{} `json:"volumes"`
}

type service struct {
	Image           string   `json:"image"`
	PullPolicy      string   `json:"pull_policy"`
	Restart         string   `json:"restart"`
	StopGracePeriod string   `json:"stop_grace_period"`
	User            string   `json:"user"`
	ReadOnly        bool     `json:"read_only"`
	CapDrop         []string `json:"cap_drop"`
	SecurityOpt     []string `json:"security_opt"`
	MemLimit        string   `json:"mem_limit"`
	PidsLimit       int      `json:"pids_limit"`
	Volumes         []string `json:"volumes"`
	Secrets         []string `json:"secrets"`
	Ports           []string `json:"ports"`
}

// checkCompose decodes strictly: an unknown key is an error.
func checkCompose(path string) error {
	octets, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var c compose
	if err := yaml.UnmarshalStrict(octets, &c); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var errs []error
	for name, s := range c.Services {
		if s.User != "65532:65532" || !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			errs = append(errs, fmt.Errorf("%s: service %s may do more than it needs", path, name))
		}
		for _, secret := range s.Secrets {
			if _, ok := c.Secrets[secret]; !ok {
				errs = append(errs, fmt.Errorf("%s: service %s: there is no secret %s", path, name, secret))
			}
		}
	}
	if len(c.Services) == 0 {
		errs = append(errs, fmt.Errorf("%s: no services", path))
	}
	return errors.Join(errs...)
}
