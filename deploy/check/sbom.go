package main

import (
	"debug/buildinfo"
	"fmt"
	"io"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// writeSBOM tells which modules, and which Go, a program was built from: what
// the toolchain wrote into it, not what go.mod might mean.
func writeSBOM(w io.Writer, program, version string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return fmt.Errorf("reading what %s was built from: %w", program, err)
	}
	purl := func(path, version string) string { return fmt.Sprintf("pkg:golang/%s@%s", path, version) }

	self := cdx.Component{
		BOMRef: "popferry", Type: cdx.ComponentTypeApplication, Name: info.Main.Path, Version: version,
		PackageURL: purl(info.Main.Path, version),
		Licenses:   &cdx.Licenses{{License: &cdx.License{ID: "MIT"}}},
	}
	settings := []cdx.Property{}
	for _, s := range info.Settings {
		settings = append(settings, cdx.Property{Name: "go:" + s.Key, Value: s.Value})
	}
	self.Properties = &settings

	goVersion := info.GoVersion[len("go"):]
	components := []cdx.Component{{
		BOMRef: purl("std", goVersion), Type: cdx.ComponentTypeLibrary, Name: "std", Version: goVersion, PackageURL: purl("std", goVersion),
	}}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		ref := purl(m.Path, m.Version)
		components = append(components, cdx.Component{
			BOMRef: ref, Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: ref,
			// h1: is the hash of the module's files in go.sum.
			Properties: &[]cdx.Property{{Name: "go:sum", Value: m.Sum}},
		})
	}
	refs := make([]string, 0, len(components))
	for _, c := range components {
		refs = append(refs, c.BOMRef)
	}

	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &self}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: self.BOMRef, Dependencies: &refs}}
	enc := cdx.NewBOMEncoder(w, cdx.BOMFileFormatJSON)
	enc.SetPretty(true)
	return enc.Encode(bom)
}
