package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	kyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// kinds are those that may come. Another one is an error.
func kinds() map[string]func() any {
	return map[string]func() any{
		"v1/ConfigMap":             func() any { return new(corev1.ConfigMap) },
		"v1/Namespace":             func() any { return new(corev1.Namespace) },
		"v1/PersistentVolumeClaim": func() any { return new(corev1.PersistentVolumeClaim) },
		"v1/Service":               func() any { return new(corev1.Service) },
		"v1/ServiceAccount":        func() any { return new(corev1.ServiceAccount) },
		"apps/v1/Deployment":       func() any { return new(appsv1.Deployment) },
		"batch/v1/CronJob":         func() any { return new(batchv1.CronJob) },
		"batch/v1/Job":             func() any { return new(batchv1.Job) },

		"policy/v1/PodDisruptionBudget": func() any { return new(policyv1.PodDisruptionBudget) },

		"networking.k8s.io/v1/NetworkPolicy":      func() any { return new(networkingv1.NetworkPolicy) },
		"monitoring.coreos.com/v1/PodMonitor":     func() any { return new(monitoringv1.PodMonitor) },
		"monitoring.coreos.com/v1/PrometheusRule": func() any { return new(monitoringv1.PrometheusRule) },
	}
}

// checkKubernetes decodes each document as the API server does with
// --validate=strict, and looks at what is to run.
func checkKubernetes(r io.Reader, w io.Writer) error {
	var errs []error
	docs, running := kyaml.NewYAMLReader(bufio.NewReader(r)), 0
	var policies []*networkingv1.NetworkPolicy
	var deployment *appsv1.Deployment
	var budget *policyv1.PodDisruptionBudget
	for {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(doc)) == 0 {
			continue
		}
		var meta struct {
			APIVersion, Kind string
			Metadata         struct{ Name string }
		}
		if err := yaml.Unmarshal(doc, &meta); err != nil {
			return err
		}
		what := meta.APIVersion + "/" + meta.Kind
		create := kinds()[what]
		if create == nil {
			errs = append(errs, fmt.Errorf("%s %s: not a kind that is expected", what, meta.Metadata.Name))
			continue
		}
		object := create()
		if err := yaml.UnmarshalStrict(doc, object); err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", what, meta.Metadata.Name, err))
			continue
		}
		fmt.Fprintf(w, "%s %s\n", what, meta.Metadata.Name)
		switch o := object.(type) {
		case *corev1.PersistentVolumeClaim:
			must := musts(&errs, "PersistentVolumeClaim "+o.Name)
			must(slices.Equal(o.Spec.AccessModes, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod}), "accessModes: [ReadWriteOncePod]")
		case *appsv1.Deployment:
			if o.Spec.Replicas == nil || *o.Spec.Replicas > 0 {
				running++
			}
			errs = append(errs, checkDeployment(o)...)
			deployment = o
		case *policyv1.PodDisruptionBudget:
			budget = o
		case *batchv1.CronJob:
			if o.Spec.Suspend == nil || !*o.Spec.Suspend {
				running++
			}
			errs = append(errs, checkCronJob(o)...)
		case *batchv1.Job:
			running++
			errs = append(errs, checkJob("Job "+o.Name, &o.Spec)...)
		case *networkingv1.NetworkPolicy:
			policies = append(policies, o)
		}
	}
	if running != 1 {
		errs = append(errs, fmt.Errorf("%d things that run, not one: each would poll the same mailboxes", running))
	}
	if deployment != nil {
		errs = append(errs, checkBudget(deployment, budget)...)
	}
	return errors.Join(append(errs, checkPolicies(policies)...)...)
}

// checkBudget: replicas have one, and a single pod has none.
func checkBudget(d *appsv1.Deployment, b *policyv1.PodDisruptionBudget) (errs []error) {
	must := musts(&errs, "PodDisruptionBudget")
	if !shared(&d.Spec.Template.Spec) {
		must(b == nil, "none with one pod: it could only forbid to drain a node")
		return errs
	}
	if must(b != nil, "one for the replicas"); b != nil {
		must(b.Spec.MaxUnavailable.IntValue() == 1 && b.Spec.Selector.MatchLabels["app.kubernetes.io/name"] == "popferry", "maxUnavailable: 1 of the pods of popferry")
	}
	return errs
}

// shared reports whether a pod has no volume that is its own: its ledger is a database.
func shared(p *corev1.PodSpec) bool {
	return !slices.ContainsFunc(p.Volumes, func(v corev1.Volume) bool { return v.PersistentVolumeClaim != nil })
}

// checkPolicies holds the pod to what it needs of the network. All policies together
// allow what one of them does.
func checkPolicies(policies []*networkingv1.NetworkPolicy) (errs []error) {
	closed := map[networkingv1.PolicyType]bool{}
	for _, p := range policies {
		must := musts(&errs, "NetworkPolicy "+p.Name)
		must(p.Namespace == "popferry" && p.Spec.PodSelector.MatchLabels["app.kubernetes.io/name"] == "popferry", "the pods of popferry")
		for _, t := range p.Spec.PolicyTypes {
			closed[t] = true
		}
		for _, rule := range p.Spec.Ingress {
			must(len(rule.From) > 0 && len(rule.Ports) > 0, "ingress from somewhere, to a port")
		}
		for _, rule := range p.Spec.Egress {
			must(len(rule.Ports) > 0, "egress to ports")
		}
	}
	must := musts(&errs, "NetworkPolicies")
	must(closed[networkingv1.PolicyTypeIngress] && closed[networkingv1.PolicyTypeEgress], "Ingress and Egress closed but for what they allow")
	return errs
}

func checkDeployment(d *appsv1.Deployment) (errs []error) {
	must := musts(&errs, "Deployment "+d.Name)
	if shared(&d.Spec.Template.Spec) {
		must(d.Spec.Replicas != nil && (*d.Spec.Replicas == 3 || *d.Spec.Replicas == 0), "replicas: 3, or 0 beside the first run")
		must(d.Spec.Strategy.Type == appsv1.RollingUpdateDeploymentStrategyType, "strategy: RollingUpdate")
		must(len(d.Spec.Template.Spec.TopologySpreadConstraints) == 2, "pods on different nodes and in different zones")
		must(slices.ContainsFunc(d.Spec.Template.Spec.Volumes, func(v corev1.Volume) bool { return v.Secret != nil && v.Secret.SecretName == "popferry-database" }), "the Secret of the database")
	} else {
		must(d.Spec.Replicas != nil && *d.Spec.Replicas <= 1, "replicas: 1, or 0 beside the first run")
		must(d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType, "strategy: Recreate")
	}
	checkPod(must, &d.Spec.Template.Spec)
	for _, c := range d.Spec.Template.Spec.Containers {
		must(c.LivenessProbe != nil && c.LivenessProbe.HTTPGet != nil && c.LivenessProbe.HTTPGet.Path == "/healthz", "livenessProbe on /healthz")
		must(c.ReadinessProbe != nil && c.ReadinessProbe.HTTPGet != nil && c.ReadinessProbe.HTTPGet.Path == "/readyz", "readinessProbe on /readyz")
	}
	return errs
}

func checkCronJob(c *batchv1.CronJob) (errs []error) {
	must := musts(&errs, "CronJob "+c.Name)
	must(c.Spec.ConcurrencyPolicy == batchv1.ForbidConcurrent, "concurrencyPolicy: Forbid")
	must(c.Spec.StartingDeadlineSeconds != nil, "startingDeadlineSeconds")
	return append(errs, checkJob("CronJob "+c.Name, &c.Spec.JobTemplate.Spec)...)
}

func checkJob(what string, job *batchv1.JobSpec) (errs []error) {
	must := musts(&errs, what)
	must(job.BackoffLimit != nil && *job.BackoffLimit == 0, "backoffLimit: 0")
	must(job.Template.Spec.RestartPolicy == corev1.RestartPolicyNever, "restartPolicy: Never")
	for _, c := range job.Template.Spec.Containers {
		must(slices.Contains(c.Args, "--ok-if-waiting"), "--ok-if-waiting: what waits is no failure")
	}
	checkPod(must, &job.Template.Spec)
	return errs
}

// checkPod holds a pod to the restricted Pod Security Standard, and more.
func checkPod(must func(bool, string), p *corev1.PodSpec) {
	must(p.AutomountServiceAccountToken != nil && !*p.AutomountServiceAccountToken, "automountServiceAccountToken: false")
	s := p.SecurityContext
	if must(s != nil, "securityContext"); s == nil {
		return
	}
	must(s.RunAsNonRoot != nil && *s.RunAsNonRoot, "runAsNonRoot: true")
	must(s.RunAsUser != nil && *s.RunAsUser == 65532 && s.FSGroup != nil && *s.FSGroup == 65532, "user and fsGroup 65532")
	must(s.SeccompProfile != nil && s.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault, "seccompProfile: RuntimeDefault")
	must(len(p.Containers) == 1, "one container")
	volumes := map[string]bool{}
	for _, v := range p.Volumes {
		volumes[v.Name] = true
	}
	for _, c := range p.Containers {
		s := c.SecurityContext
		if must(s != nil, "the container's securityContext"); s == nil {
			continue
		}
		must(s.AllowPrivilegeEscalation != nil && !*s.AllowPrivilegeEscalation, "allowPrivilegeEscalation: false")
		must(s.ReadOnlyRootFilesystem != nil && *s.ReadOnlyRootFilesystem, "readOnlyRootFilesystem: true")
		must(s.Capabilities != nil && len(s.Capabilities.Drop) == 1 && s.Capabilities.Drop[0] == "ALL" && len(s.Capabilities.Add) == 0, "capabilities: drop ALL")
		must(!c.Resources.Requests.Cpu().IsZero() && !c.Resources.Requests.Memory().IsZero() && !c.Resources.Limits.Memory().IsZero(), "resources")
		must(len(c.EnvFrom) == 0, "no secrets in the environment")
		for _, e := range c.Env {
			must(e.ValueFrom == nil, "no secrets in the environment: "+e.Name)
		}
		for _, m := range c.VolumeMounts {
			must(volumes[m.Name], "a volume for the mount "+m.Name)
		}
	}
}

func musts(errs *[]error, what string) func(bool, string) {
	return func(ok bool, want string) {
		if !ok {
			*errs = append(*errs, fmt.Errorf("%s: wants %s", what, want))
		}
	}
}
