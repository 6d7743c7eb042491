package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

// dashboard is what is looked at of a Grafana dashboard.
type dashboard struct {
	UID, Title string
	Panels     []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ H, W, X, Y int }
		Targets []struct{ Expr, RefID string }
	}
}

// checkGrafana looks at a dashboard and prints its queries as recording rules,
// for promtool to parse.
func checkGrafana(path string, w io.Writer) error {
	octets, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var d dashboard
	if err := json.Unmarshal(octets, &d); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var errs []error
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	seen := map[int]bool{}
	for _, p := range d.Panels {
		if seen[p.ID] {
			errs = append(errs, fmt.Errorf("%s: two panels have the id %d", path, p.ID))
		}
		seen[p.ID] = true
		if p.Title == "" || p.GridPos.W == 0 || p.GridPos.X+p.GridPos.W > 24 || len(p.Targets) == 0 {
			errs = append(errs, fmt.Errorf("%s: panel %d wants a title, a place and a query", path, p.ID))
		}
		for _, t := range p.Targets {
			// What Grafana fills in.
			expr := strings.NewReplacer("$__rate_interval", "5m", "$__range", "1d", "$account", "a", "$__interval", "1m").Replace(t.Expr)
			if strings.Contains(expr, "$") {
				errs = append(errs, fmt.Errorf("%s: panel %d: an unknown variable in %s", path, p.ID, t.Expr))
			}
			rules = append(rules, rule{Record: fmt.Sprintf("panel:%d:%s", p.ID, t.RefID), Expr: expr})
		}
	}
	if d.UID == "" || d.Title == "" || len(rules) == 0 {
		errs = append(errs, fmt.Errorf("%s: wants uid, title and panels", path))
	}
	out, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		return err
	}
	_, err = w.Write(out)
	return errors.Join(append(errs, err)...)
}
