#!/bin/sh
# Builds a Debian package of Stele:
#
#   deploy/deb/build.sh [FOLDER]              from this checkout, into FOLDER (default: the current one)
#   deploy/deb/build.sh --package FILE.tgz [FOLDER]     from what `npm pack` has made
#
# It needs npm, dpkg-deb, strip (binutils), and access to the registry of npm packages: what Stele depends on is installed in the
# versions of package-lock.json, for this kind of machine.
#
#   /usr/lib/stele            the package and its dependencies
#   /usr/bin/stele            a link to its command
#   /usr/lib/systemd/system   units of a master, a datanode and a query node; none is enabled
#   /etc/stele/stele.yaml, /etc/default/stele     settings; kept at upgrades
set -eu

here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
package=
if [ "${1-}" = --package ]; then
  package=$(realpath "$2")
  shift 2
fi
out=$(realpath "${1-.}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
lib=$root/usr/lib/stele
# The same package from the same source, wherever and whenever it is built.
umask 022
: "${SOURCE_DATE_EPOCH:=$(git -C "$source" log -1 --format=%ct 2>/dev/null || date +%s)}"
export SOURCE_DATE_EPOCH

if [ -z "$package" ]; then
  package=$work/$(cd "$source" && npm pack --silent --pack-destination "$work" | tail -n 1)
fi
mkdir -p "$lib"
tar xzf "$package" -C "$lib" --strip-components=1 --no-same-owner
cp "$source/package-lock.json" "$source/.npmrc" "$lib"
(cd "$lib" && npm ci --omit=dev --ignore-scripts --no-progress --silent)

# What only builds use, binaries for other machines, and what Debian has elsewhere.
architecture=$(dpkg --print-architecture)
machine=$(node -p '`${process.platform}-${process.arch}`')
rm -rf "$lib/package-lock.json" "$lib/.npmrc" "$lib/node_modules/.package-lock.json" "$lib/node_modules/.bin" \
  "$lib/deploy" "$lib/LICENSE"
find "$lib/node_modules" -type d -path '*/prebuilds/*' ! -path "*/prebuilds/$machine*" -prune -exec rm -rf {} +
find "$lib/node_modules" -mindepth 2 -maxdepth 6 \( -name '.*' -o -type d \( -name test -o -name tests -o -name spec \
  -o -name integration -o -name examples \) \) -prune -exec rm -rf {} +
find "$lib/node_modules" -type f \( -name '*.map' -o -name '*.d.[cm]ts' -o -name '*.d.ts' -o -name '*.bare' \
  -o -name '*musl*.node' \) -delete
find "$lib/node_modules" -name '*.node' -exec strip --strip-unneeded {} +
find "$lib" -type f -exec chmod 644 {} +
chmod 755 "$lib/dist/cli/main.js"

mkdir -p "$root/usr/bin" "$root/usr/share/doc/stele" "$root/usr/share/man/man1" \
  "$root/usr/share/bash-completion/completions" "$root/usr/share/zsh/vendor-completions" \
  "$root/usr/share/fish/vendor_completions.d"
ln -s ../lib/stele/dist/cli/main.js "$root/usr/bin/stele"
for page in "$lib"/dist/man/*.1; do gzip -9n <"$page" >"$root/usr/share/man/man1/$(basename "$page").gz"; done
rm -r "$lib/dist/man"
stele() { node "$lib/dist/cli/main.js" "$@"; }
stele completion bash >"$root/usr/share/bash-completion/completions/stele"
stele completion zsh >"$root/usr/share/zsh/vendor-completions/_stele"
stele completion fish >"$root/usr/share/fish/vendor_completions.d/stele.fish"
mkdir -p "$root/usr/lib/systemd/system"
cp "$source"/deploy/systemd/*.service "$root/usr/lib/systemd/system"
cp -r "$here/root/." "$root"
cp "$here/copyright" "$root/usr/share/doc/stele/copyright"

maintainer=${DEB_MAINTAINER:-The Stele project <stele@localhost>}
version=$(node -p 'require(process.argv[1]).version' "$lib/package.json")
date=$(date -u -R -d "@$SOURCE_DATE_EPOCH")
gzip -9n >"$root/usr/share/doc/stele/changelog.gz" <<END
stele ($version) unstable; urgency=medium

  * See /usr/lib/stele/CHANGELOG.md.

 -- $maintainer  $date
END
find "$root/etc" "$root/usr/share" "$root/usr/lib/systemd" -type f -exec chmod 644 {} +

mkdir "$root/DEBIAN"
size=$(du -k -s --exclude=DEBIAN "$root" | cut -f 1)
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@SIZE@/$size/" -e "s/@MAINTAINER@/$maintainer/" \
  "$here/control/control.in" >"$root/DEBIAN/control"
for script in postinst prerm postrm; do
  cp "$here/control/$script" "$root/DEBIAN/$script"
  chmod 755 "$root/DEBIAN/$script"
done
(cd "$root" && find etc -type f | sort | sed 's|^|/|') >"$root/DEBIAN/conffiles"
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference -d "@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group "-Z${DEB_COMPRESSION:-xz}" --build "$root" "$out/stele_${version}_$architecture.deb"
