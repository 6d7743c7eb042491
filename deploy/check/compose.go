package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// checkCompose loads the files one over the other, as docker compose does: against
// the schema, and with what they refer to. Then it looks at what is to run.
func checkCompose(ctx context.Context, paths ...string) error {
	options, err := cli.NewProjectOptions(paths)
	if err != nil {
		return err
	}
	project, err := options.LoadProject(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range project.Services {
		must := musts(&errs, "service "+s.Name)
		must(s.ReadOnly && slices.Contains(s.CapDrop, "ALL") && slices.Contains(s.SecurityOpt, "no-new-privileges:true"), "to do no more than it needs")
		must(s.User != "" && s.User[0] != '0', "a user other than root")
		must(s.HealthCheck != nil && slices.Equal(s.HealthCheck.Test, []string{"CMD", "/usr/bin/popferry", "healthy"}), "the health check, without a shell")
		for _, v := range s.Volumes {
			must(v.Type == types.VolumeTypeVolume || v.Bind != nil && !bool(v.Bind.CreateHostPath), "folders that Docker does not make as root: "+v.Source)
		}
	}
	if len(project.Services) != 1 {
		errs = append(errs, fmt.Errorf("%d services, not one", len(project.Services)))
	}
	return errors.Join(errs...)
}
