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
			/usr/sbin/chroot --userspec=65532:65532 "$root" /usr/bin/popferry $arguments
	done
	# The probes of a Kubernetes pod.
	env -i POPFERRY_CONFIG=/etc/popferry/popferry.yaml CREDENTIALS_DIRECTORY=/run/secrets HOME=/var/lib/popferry \
		/usr/sbin/chroot --userspec=65532:65532 "$root" /usr/bin/popferry run work &
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
packages=(shellcheck systemd buildah prometheus man-db curl ca-certificates chromium sqlite3)

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

# run_image runs an unpacked image as Kubernetes does: as user 65532, who can write
# only to the state. It polls the demo's servers, with a password from a file.
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
	chown -R 65532:65532 "$scratch/mnt"
	unshare --mount deploy/check.sh in-image "$root" "$scratch/mnt" | tee "$scratch/log"
	grep -qE '^work: [1-9][0-9]* forwarded, 0 held, 0 deferred' "$scratch/log" || fail 'the image forwards nothing'
	[[ $(stat -c %u "$scratch/mnt/state/popferry.db") == 65532 ]] || fail 'the ledger does not belong to user 65532'
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
shellcheck deploy/check.sh deploy/release deploy/image deploy/package deploy/debian/{postinst,prerm,postrm,manual-of-configuration}

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
cp -R deploy/kubernetes "$scratch/kubernetes"
for overlay in daemon cronjob; do
	folder=$scratch/kubernetes/overlays/$overlay
	"$scratch/bin/kustomize" build "$folder" >"$scratch/$overlay.yaml"
	"$check" kubernetes <"$scratch/$overlay.yaml"
	grep -q '^ *state_create: false$' "$scratch/$overlay.yaml" || fail "$overlay: state_create is not false"
	# The first run, as README.md describes it.
	sed -i 's/^#\(components:\)/\1/; s/^#\(  - .*first-run\)/\1/' "$folder/kustomization.yaml"
	"$scratch/bin/kustomize" build "$folder" >"$scratch/first.yaml"
	"$check" kubernetes <"$scratch/first.yaml" >/dev/null
	grep -q '^ *state_create: true$' "$scratch/first.yaml" || fail "$overlay: first-run does not set state_create"
done
# popferry accepts the configuration, and refuses to start without its ledger.
cp -R deploy/kubernetes/base "$scratch/base"
sed -i "s|^state: .*|state: $scratch/lost.db|" "$scratch/base/popferry.yaml"
mkdir "$scratch/passwords"
echo secret | tee "$scratch/passwords/isp" >"$scratch/passwords/main"
code=0
CREDENTIALS_DIRECTORY=$scratch/passwords "$program" run --once --config "$scratch/base/popferry.yaml" 2>"$scratch/log" || code=$?
cat "$scratch/log"
if [[ $code != 78 || -e $scratch/lost.db ]]; then
	fail "without a ledger it exits with $code, want 78"
fi
same() { grep -vE '^#|^state_create' "$1"; }
diff <(same deploy/kubernetes/base/popferry.yaml) <(same deploy/kubernetes/first-run/popferry.yaml) ||
	fail 'first-run/popferry.yaml differs from base/popferry.yaml in more than state_create'

step 'compose.yaml'
"$check" compose deploy/compose.yaml

step 'Debian package'
(cd "$tree" && NFPM=$scratch/bin/nfpm deploy/package v0.0.1)
deb=("$tree"/dist/*.deb)
dpkg-deb --info "${deb[0]}"
dpkg-deb --contents "${deb[0]}" | awk '{print $1, $2, $6}'
[[ $(dpkg-deb --info "${deb[0]}" conffiles) == /etc/popferry/popferry.yaml ]] || fail 'the configuration is not a conffile'
# Into a root of its own: nothing is installed here.
root=$scratch/root
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates"
touch "$root/var/lib/dpkg/status"
dpkg --root="$root" --force-not-root --force-depends --force-script-chrootless --log="$scratch/dpkg.log" -i "${deb[0]}"
"$root/usr/bin/popferry" version
"$root/usr/bin/popferry" run --once --config "$root/etc/popferry/popferry.yaml" 2>"$scratch/log" && fail 'the example configuration runs'
cat "$scratch/log"
for page in "$root"/usr/share/man/man[157]/*.gz; do
	[[ -z $(man --warnings -l "$page" 2>&1 >/dev/null) ]] || fail "$page is not a valid manual page"
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
	run_image "$image"
	buildah umount "$container" >/dev/null
	buildah rm "$container" >/dev/null
	(cd "$tree" && deploy/image amd64 >/dev/null 2>&1)
	[[ $(buildah images -q --no-trunc localhost/popferry:amd64) == "$first" ]] || fail 'two builds of the image differ'
	echo "the same image when built again: $first"
fi

step 'the end'
if ((${#unchecked[@]})); then
	printf 'NOT CHECKED: %s\n' "${unchecked[@]}"
fi
