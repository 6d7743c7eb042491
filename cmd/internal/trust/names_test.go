package trust

import "testing"

// A command in a container of podman with a read-only root is not the first process,
// and finds no file that tells where it is.
func TestContainersAreKnownByTheirEnvironment(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, value string
		want        bool
	}{
		{"container", "oci", true},
		{"container", "podman", true},
		{"container", "lxc", false},
		{"container", "", false},
		{"KUBERNETES_SERVICE_HOST", "10.0.0.1", true},
		{"HOSTNAME", "podman", false},
	} {
		env := map[string]string{test.name: test.value}
		if got := saysContainer(func(name string) string { return env[name] }); got != test.want {
			t.Errorf("%s=%s: %t, want %t", test.name, test.value, got, test.want)
		}
	}
}
