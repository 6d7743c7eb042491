#!/bin/bash
# Checks everything in deploy/ with the tools that will use it. Runs on a Debian 12
# with Go, as root if packages are missing:
#
#	deploy/check.sh
#
# .ci/run calls it. What this machine cannot check is reported loudly.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

# in_image is the part of run_image that has a mount namespace of its own.
in_image() {
	local root=$1 mounts=$2
	mount --bind "$root" "$root"
	mount -o remount,bind,ro "$root"
	mount --bind "$mounts/etc" "$root/etc/popferry"
	mount --bind "$mounts/secrets" "$root/run/secrets"
	mount --bind "$mounts/state" "$root/var/lib/popferry"
	if touch "$root/written" 2>/dev/null; then
		echo 'the root file system is writable'
		return 1
	fi
	local arguments
	for arguments in version 'run --once work' status; do
		# shellcheck disable=SC2086 # meant to be several words
		env -i STATE_DIRECTORY=/var/lib/popferry POPFERRY_CONFIG=/etc/popferry/popferry.yaml \
			CREDENTIALS_DIRECTORY=/run/secrets HOME=/var/lib/popferry \
			/usr/sbin/chroot --userspec=54321:54321 "$root" /usr/bin/popferry $arguments
	done
	# The probes of a Kubernetes pod.
	env -i POPFERRY_CONFIG=/etc/popferry/popferry.yaml CREDENTIALS_DIRECTORY=/run/secrets HOME=/var/lib/popferry \
		/usr/sbin/chroot --userspec=54321:54321 "$root" /usr/bin/popferry run work &
	local daemon=$! path answer
	for path in healthz readyz; do
		answer=
		for _ in {1..600}; do
			answer=$(curl -s --max-time 10 -o /dev/null -w '%{http_code}' "http://127.0.0.1:18110/$path") || true
			[[ $answer != 200 ]] || break
			sleep 0.1
		done
		echo "/$path: $answer"
		[[ $answer == 200 ]] || break
	done
	kill "$daemon"
	wait "$daemon"
	[[ $answer == 200 ]]
}
if [[ ${1-} == in-image ]]; then
	in_image "$2" "$3"
	exit
fi

export PATH="$PATH:/usr/local/go/bin:/usr/sbin:/sbin"
kustomize=sigs.k8s.io/kustomize/kustomize/v5@v5.8.1
nfpm=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.44.1
packages=(shellcheck systemd buildah prometheus man-db curl ca-certificates chromium sqlite3 git)

scratch=$(mktemp -d)
server=
cleanup() {
	[[ -z $server ]] || kill "$server" 2>/dev/null || true
	chmod -R u+w "$scratch"
	rm -rf "$scratch"
}
trap cleanup EXIT

step() { printf '\n-- deploy: %s (after %d s)\n' "$*" "$SECONDS"; }
fail() {
	printf 'FAIL: %s\n' "$*" >&2
	exit 1
}

unchecked=()
not_checked() { # reported here and at the end
	printf '\n!!! NOT CHECKED: %s\n\n' "$*" >&2
	unchecked+=("$*")
}

# run_image runs an unpacked image as Kubernetes and compose do: as some user, who can
# write only to the state. It polls the demo's servers, with a password from a file.
run_image() {
	local root=$1 demo
	if ! unshare --mount true 2>"$scratch/log"; then
		cat "$scratch/log"
		not_checked 'no mount namespaces on this machine: the container image was built, but NOT run'
		return
	fi
	: >"$scratch/demo"
	TMPDIR=$scratch "$program" demo --serve >"$scratch/demo" 2>/dev/null &
	server=$!
	for _ in {1..600}; do
		demo=$(sed -n 's/^Configuration: //p' "$scratch/demo")
		[[ -z $demo ]] || break
		sleep 0.1
	done
	[[ -n $demo ]] || fail 'the demo does not start'
	mkdir -p "$scratch/mnt/etc" "$scratch/mnt/secrets" "$scratch/mnt/state"
	sed -e 's|^state:.*|state: /var/lib/popferry/popferry.db|' -e '/^schedule/d' \
		-e '/name: work/s/password: demo/password_file: work/' \
		-e '$a listen: 0.0.0.0:18110' "$demo" >"$scratch/mnt/etc/popferry.yaml"
	echo demo >"$scratch/mnt/secrets/work"
	chmod 0440 "$scratch/mnt/etc/popferry.yaml" "$scratch/mnt/secrets/work"
	chown -R 54321:54321 "$scratch/mnt"
	unshare --mount deploy/check.sh in-image "$root" "$scratch/mnt" | tee "$scratch/log"
	grep -qE '^work: [1-9][0-9]* forwarded, 0 held, 0 deferred' "$scratch/log" || fail 'the image forwards nothing'
	[[ $(stat -c %u "$scratch/mnt/state/popferry.db") == 54321 ]] || fail 'the ledger does not belong to the user who ran popferry'
	kill "$server"
	wait "$server" || true
	server=
}

step 'packages'
missing=()
for name in "${packages[@]}"; do
	[[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) == installed ]] || missing+=("$name")
done
if ((${#missing[@]})); then
	export DEBIAN_FRONTEND=noninteractive
	apt-get -o Acquire::Retries=3 update -q
	if [[ ! -e /usr/sbin/policy-rc.d ]]; then # no package may start its service
		trap 'rm -f /usr/sbin/policy-rc.d; cleanup' EXIT
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
		chmod +x /usr/sbin/policy-rc.d
	fi
	apt-get -o Acquire::Retries=3 install -yq --no-install-recommends "${missing[@]}" >"$scratch/apt.log" || {
		cat "$scratch/apt.log"
		fail 'apt-get'
	}
fi
mkdir "$scratch/bin"
(
	cd /
	export GOBIN=$scratch/bin CGO_ENABLED=0 GOFLAGS=-buildvcs=false
	go install "$kustomize"
	go install "$nfpm"
)
(cd deploy/check && go mod tidy -diff && go vet ./... && go build -buildvcs=false -o "$scratch/bin/check" .)
check=$scratch/bin/check

step 'shellcheck'
shellcheck deploy/check.sh deploy/release deploy/image deploy/package deploy/set-version deploy/kubernetes/kubectl-popferry deploy/debian/{postinst,prerm,postrm,manual-of-configuration}

# The release is built from two copies of the tree, each in a folder of its own;
# the compiler's cache serves both.
step 'release, twice'
export SOURCE_DATE_EPOCH=1700000000 # so that a copy without its history is the same
for copy in a b-elsewhere; do
	mkdir "$scratch/$copy"
	tar --exclude=./.git --exclude=./dist -cf - . | tar -C "$scratch/$copy" -xf -
	"$scratch/$copy/deploy/release" v0.0.1 linux/amd64 >"$scratch/log" || {
		cat "$scratch/log"
		fail 'release'
	}
done
tree=$scratch/b-elsewhere
diff "$scratch/a/dist/SHA256SUMS" "$tree/dist/SHA256SUMS" || fail 'two builds differ'
(cd "$tree/dist" && sha256sum -c SHA256SUMS)
program=$tree/dist/linux_amd64/popferry
"$program" version | grep -F 'popferry v0.0.1 '
grep -q '"name": "modernc.org/sqlite"' "$tree"/dist/*.cdx.json || fail 'the SBOM does not list SQLite'

step 'status page in Chromium'
(cd deploy/check && POPFERRY_REQUIRE_SERVERS=1 POPFERRY_PROGRAM=$program go test -buildvcs=false -count=1 ./browser)

step 'systemd units'
# Unchanged, except for the path of the program, which is not installed here.
mkdir "$scratch/units"
for unit in deploy/systemd/*; do
	sed "s|^ExecStart=/usr/bin/popferry|ExecStart=$program|" "$unit" >"$scratch/units/${unit##*/}"
done
systemd-analyze verify --man=no "$scratch"/units/* 2>&1 | tee "$scratch/log"
[[ ! -s $scratch/log ]] || fail 'systemd-analyze verify'
for unit in popferry popferry-once; do
	systemd-analyze security --offline=true --threshold=20 "$scratch/units/$unit.service" | tail -n 1 ||
		fail "$unit.service: exposure is 2.0 or more"
done

step 'Prometheus rules'
promtool check rules deploy/prometheus/popferry.rules.yaml
(cd deploy/prometheus && promtool test rules popferry.rules.test.yaml)

step 'Grafana dashboard'
"$check" grafana deploy/grafana/popferry.json >"$scratch/dashboard.yaml"
promtool check rules "$scratch/dashboard.yaml"

step 'metrics that rules and dashboard use'
grep -hoE 'popferry_[a-z_]+' deploy/prometheus/popferry.rules.yaml "$scratch/dashboard.yaml" |
	sed 's/_bucket$//' | sort -u >"$scratch/used"
while read -r metric; do
	grep -rqF --include='*.go' "\"$metric\"" cmd/internal/web || fail "popferry has no metric $metric"
done <"$scratch/used"
tr '\n' ' ' <"$scratch/used"

step 'Kubernetes'
# The example as a user has it, from outside: a repository of this tree takes the place
# of the one on GitHub, with the tag that the example names.
mkdir "$scratch/github"
cp -R --parents deploy/kubernetes "$scratch/github"
tag=$(grep -ohE 'ref=v[0-9A-Za-z.-]+' -r deploy/kubernetes/example | sort -u)
git -C "$scratch/github" init -q
git -C "$scratch/github" add -A
git -C "$scratch/github" -c user.name=check -c user.email=check@example.org commit -qm check
git -C "$scratch/github" tag "${tag#ref=}"
in_example() {
	GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="url.file://$scratch/github.insteadOf" \
		GIT_CONFIG_VALUE_0=https://github.com/popferry/popferry "$scratch/bin/kustomize" build "$1"
}
for overlay in daemon cronjob replicas; do
	folder=$scratch/$overlay
	cp -R deploy/kubernetes/example "$folder"
	sed -i "s|/overlays/daemon?|/overlays/$overlay?|" "$folder/popferry/kustomization.yaml"
	if [[ $overlay == daemon ]]; then
		sed -i 's/^#\(components:\)/\1/; s/^#\(  - .*monitoring\)/\1/' "$folder/popferry/kustomization.yaml"
	fi
	if [[ $overlay == replicas ]]; then
		sed -i 's|/components/first-run?|/components/first-run-database?|' "$folder/first-run/kustomization.yaml"
	fi
	for what in popferry first-run; do
		in_example "$folder/$what" >"$scratch/manifests.yaml"
		"$check" kubernetes <"$scratch/manifests.yaml"
		if [[ $overlay == replicas ]] && grep -n PersistentVolumeClaim "$scratch/manifests.yaml"; then
			fail 'the replicas have a volume'
		fi
	done
done
diff <(sed -n '/^groups:/,$p' deploy/prometheus/popferry.rules.yaml | sed 's/^\(.\)/  \1/') \
	<(sed -n '/^  groups:/,$p' deploy/kubernetes/components/monitoring/prometheusrule.yaml) ||
	fail 'prometheusrule.yaml: its groups are not those of popferry.rules.yaml'
# popferry accepts the configuration. Without its ledger it refuses to start; the first
# run makes one, and then it starts.
cp -R deploy/kubernetes/base "$scratch/base"
cp deploy/kubernetes/example/popferry/accounts.yaml "$scratch/base"
sed -i "s|^state: .*|state: $scratch/lost.db|" "$scratch"/base/{popferry,first-run}.yaml
sed -i 's/host: .*/host: 127.0.0.1/' "$scratch/base/accounts.yaml" # nothing listens there
mkdir "$scratch/passwords"
echo secret | tee "$scratch/passwords/isp" >"$scratch/passwords/main"
once() { # once CONFIGURATION WANT: the exit code, and whether there is a ledger
	local code=0 ledger=no
	CREDENTIALS_DIRECTORY=$scratch/passwords "$program" run --once --config "$scratch/base/$1" 2>"$scratch/log" || code=$?
	[[ ! -e $scratch/lost.db ]] || ledger=yes
	cat "$scratch/log"
	[[ "$code $ledger" == "$2" ]] || fail "$1: the exit code and a ledger: $code $ledger, want $2"
}
once popferry.yaml '78 no'
once first-run.yaml '75 yes'
once popferry.yaml '75 yes'

step 'compose.yaml'
mkdir "$scratch/compose"
cp deploy/compose*.yaml "$scratch/compose"
"$check" compose "$scratch/compose/compose.yaml"
"$check" compose "$scratch"/compose/compose{,.secrets}.yaml
"$check" compose "$scratch"/compose/compose{,.database}.yaml

step 'versions'
# They are the same everywhere, and a release can change them.
cp -R --parents deploy .github "$scratch/compose"
cp -R "$scratch/compose" "$scratch/same"
"$scratch/same/deploy/set-version" "${tag#ref=}"
diff -r "$scratch/compose" "$scratch/same" || fail 'the versions differ'
"$scratch/compose/deploy/set-version" v9.8.7-rc.6
old=${tag#ref=v}
left=$(grep -rnE "[:=/-]v?${old//./[.]}" "$scratch"/compose/{deploy,.github} --include='*.yaml' --include='*.md') || true
[[ -z $left ]] || fail "set-version leaves a version: $left"

step 'Debian package'
(cd "$tree" && NFPM=$scratch/bin/nfpm deploy/package v0.0.1)
deb=("$tree"/dist/*.deb)
dpkg-deb --info "${deb[0]}"
dpkg-deb --contents "${deb[0]}" | awk '{print $1, $2, $6}'
[[ -z $(dpkg-deb --contents "${deb[0]}" | awk '$6 == "./etc/popferry/popferry.yaml"') ]] || fail 'popferry init would find a configuration'
# Into a root of its own: nothing is installed here.
root=$scratch/root
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates"
touch "$root/var/lib/dpkg/status"
dpkg --root="$root" --force-not-root --force-depends --force-script-chrootless --log="$scratch/dpkg.log" -i "${deb[0]}"
"$root/usr/bin/popferry" version
"$root/usr/bin/popferry" run --once --config "$root/usr/share/doc/popferry/examples/popferry.service.yaml" 2>"$scratch/log" && fail 'the example configuration runs'
cat "$scratch/log"
for page in "$root"/usr/share/man/man[157]/*.gz; do
	[[ -z $(MANWIDTH=80 man --warnings -l "$page" 2>&1 >/dev/null) ]] || fail "$page is not a valid manual page"
done
bash -n "$root/usr/share/bash-completion/completions/popferry"
cp "${deb[0]}" "$scratch/first.deb"
(cd "$tree" && NFPM=$scratch/bin/nfpm deploy/package v0.0.1 >/dev/null)
cmp "$scratch/first.deb" "${deb[0]}" || fail 'two builds of the package differ'
# What the package does not own stays, and a purge says so.
mkdir -p "$root/var/lib/popferry"
touch "$root/var/lib/popferry/popferry.db" "$root/etc/popferry/password/isp"
dpkg --root="$root" --force-not-root --force-script-chrootless --log="$scratch/dpkg.log" --purge popferry | tee "$scratch/log"
[[ ! -e $root/usr/bin/popferry ]] || fail 'the package leaves its program behind'
for file in /var/lib/popferry/popferry.db /etc/popferry/password/isp; do
	[[ -e $root$file ]] || fail "a purge removes $file"
done
grep -q 'rm -r /var/lib/popferry$' "$scratch/log" || fail 'a purge does not say that the ledger stays'
grep -q 'rm -r /etc/popferry$' "$scratch/log" || fail 'a purge does not say that passwords stay'

step 'container image'
storage=$scratch/storage.conf
printf '[storage]\ndriver = "vfs"\ngraphroot = "%s"\nrunroot = "%s"\n' "$scratch/images" "$scratch/run" >"$storage"
export CONTAINERS_STORAGE_CONF=$storage BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
mkdir -p "$scratch/empty"
echo 'FROM scratch' >"$scratch/empty/Containerfile"
if ! buildah build --layers=false "$scratch/empty" >"$scratch/log" 2>&1; then
	# Not even an empty image: the machine is at fault, not our image.
	cat "$scratch/log"
	not_checked 'buildah does not work on this machine: the container image was NOT built'
else
	(cd "$tree" && deploy/image amd64)
	first=$(buildah images -q --no-trunc localhost/popferry:amd64)
	container=$(buildah from --pull-never localhost/popferry:amd64)
	image=$(buildah mount "$container")
	(cd "$image" && find . -printf '%M %U %s %p\n')
	echo "unpacked: $(du -sh "$image" | cut -f1)"
	[[ $(buildah inspect --type image --format '{{.OCIv1.Config.User}}' localhost/popferry:amd64) == 65532:65532 ]] ||
		fail 'the image does not run as 65532'
	[[ $(stat -c '%a %u' "$image/var/lib/popferry") == '777 0' ]] || fail 'not everybody may write to a new volume for the ledger'
	run_image "$image"
	buildah umount "$container" >/dev/null
	buildah rm "$container" >/dev/null
	(cd "$tree" && deploy/image amd64 >/dev/null 2>&1)
	[[ $(buildah images -q --no-trunc localhost/popferry:amd64) == "$first" ]] || fail 'two builds of the image differ'
	echo "the same image when built again: $first"
	# The list for a registry; whatever the programs are.
	cp -R "$tree/dist/linux_amd64" "$tree/dist/linux_armv7"
	(cd "$tree" && deploy/image amd64 armv7 >/dev/null 2>&1)
	list=$(tar -xOf "$tree/dist/popferry-image.tar" index.json | sed -n 's/.*"digest":"sha256:\([0-9a-f]*\)".*/\1/p')
	tar -xOf "$tree/dist/popferry-image.tar" "blobs/sha256/$list" | tee "$scratch/log"
	echo
	if ! grep -q '"architecture":"amd64"' "$scratch/log" || ! grep -q '"architecture":"arm","os":"linux","variant":"v7"' "$scratch/log"; then
		fail 'the image for a registry lacks a platform'
	fi
fi

step 'the end'
if ((${#unchecked[@]})); then
	printf 'NOT CHECKED: %s\n' "${unchecked[@]}"
fi
