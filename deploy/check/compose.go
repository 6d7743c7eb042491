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
		healthy := []string{"CMD", "/usr/bin/popferry", "healthy"}
		if s.Name == "database" {
			healthy = []string{"CMD", "pg_isready", "--username=popferry", "--host=127.0.0.1"}
			must(s.Environment["POSTGRES_PASSWORD"] == nil && s.Environment["POSTGRES_PASSWORD_FILE"] != nil, "its password from a file")
			must(len(s.Ports) == 0, "no port outside of the network of the containers")
			must(slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Type == types.VolumeTypeVolume }), "a volume")
		}
		must(s.HealthCheck != nil && slices.Equal(s.HealthCheck.Test, healthy), "the health check, without a shell")
		for _, v := range s.Volumes {
			must(v.Type == types.VolumeTypeVolume || v.Bind != nil && !bool(v.Bind.CreateHostPath), "folders that Docker does not make as root: "+v.Source)
		}
	}
	if _, ok := project.Services["database"]; len(project.Services) != 1 && !(ok && len(project.Services) == 2) {
		errs = append(errs, fmt.Errorf("%d services, not popferry, alone or with its database", len(project.Services)))
	}
	return errors.Join(errs...)
}
