// check is the part of deploy/check.sh that wants a program, and what
// deploy/release writes its SBOM with:
//
//	check kubernetes <MANIFESTS        strict decoding, and the rules of this repository
//	check compose FILE...              their schema, and the rules of this repository
//	check grafana FILE                 the dashboard; prints its queries as recording rules
//	check sbom PROGRAM VERSION         prints a CycloneDX SBOM of a Go program
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "kubernetes":
		return checkKubernetes(os.Stdin, os.Stdout)
	case len(args) >= 2 && args[0] == "compose":
		return checkCompose(context.Background(), args[1:]...)
	case len(args) == 2 && args[0] == "grafana":
		return checkGrafana(args[1], os.Stdout)
	case len(args) == 3 && args[0] == "sbom":
		return writeSBOM(os.Stdout, args[1], args[2])
	}
	return errors.New("see the comment in main.go")
}
