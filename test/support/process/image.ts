// The container image, built by buildah from deploy/docker/Dockerfile without a registry of images:
// a stand-in for the image of Node.js is made of this machine's own files. A container is then a
// process in namespaces of its own:
//
//   its root is that of the image, read-only; /var/lib/stele is a folder of the test
//   it is process 1, with the user and the environment of the image

import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
} from 'node:fs';
import { chownSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PROJECT } from './stele-process.ts';
import { removeAtEnd } from './watchdog.ts';

const BASE = 'localhost/node';
const IMAGE = 'localhost/stele';
const BUILD_MS_MAX = 900_000;
const PROGRAMS = ['sh', 'bash', 'tar', 'gzip', 'ln', 'mkdir', 'chown', 'chmod', 'rm', 'env', 'ls'];
const LIBRARY_PACKAGES = ['libc6', 'libstdc++6', 'libgcc-s1'];

/** What of an image's configuration a container engine uses. */
export interface ImageConfig {
  readonly User: string;
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly Env: readonly string[];
  readonly StopSignal: NodeJS.Signals;
  readonly WorkingDir: string;
  readonly Volumes: Readonly<Record<string, unknown>>;
  readonly Healthcheck: { readonly Test: readonly string[] };
}

export interface Image {
  readonly config: ImageConfig;
  /**
   * A program and its arguments, after which a command runs in a container whose data is in `data`.
   */
  within(data: string): string[];
  remove(): void;
}

/** Builds the image from the source as it is. Takes some minutes. */
export function buildImage(): Image {
  const folder = mkdtempSync(join(tmpdir(), 'stele-image-'));
  removeAtEnd(folder);
  const storage = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run')];
  const buildah = (...words: string[]): string =>
    run('buildah', [...storage, '--storage-driver', 'vfs', ...words]);
  try {
    const base = buildah('from', 'scratch');
    buildah('add', '-q', base, baseFiles(folder), '/');
    buildah('commit', '-q', base, BASE);
    buildah('rm', base);
    const volumes = npmVolumes(folder).flatMap((volume) => ['-v', volume]);
    buildah(
      ...['bud', '--isolation', 'chroot', '--network', 'host', '--pull-never'],
      ...['--format', 'docker', '--build-arg', `NODE_IMAGE=${BASE}`, ...volumes],
      ...['-f', join(PROJECT, 'deploy/docker/Dockerfile'), '-t', IMAGE, PROJECT],
    );
    const { Docker } = JSON.parse(buildah('inspect', '--type', 'image', IMAGE)) as {
      Docker: { config: ImageConfig };
    };
    const root = buildah('mount', buildah('from', '--pull-never', IMAGE));
    const { config } = Docker;
    const remove = (): void => {
      spawnSync('buildah', [...storage, 'umount', '--all']);
      rmSync(folder, { recursive: true, force: true });
    };
    return { config, within: (data) => containerWords(root, data, config), remove };
  } catch (thrown) {
    rmSync(folder, { recursive: true, force: true });
    throw thrown;
  }
}

/** Mounts what a container engine mounts, and ends as the program that follows. */
const ENTER = `
  root=$1 data=$2 user=$3; shift 3
  mount --bind "$root" "$root" && mount -o remount,ro,bind "$root" || exit 125
  mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" || exit 125
  mount --bind "$data" "$root/var/lib/stele" || exit 125
  exec chroot --userspec="$user" "$root" env -i "$@"`;

function containerWords(root: string, data: string, { Env, User }: ImageConfig): string[] {
  const isolated = ['unshare', '--mount', '--pid', '--fork', '--kill-child'];
  return [...isolated, 'sh', '-c', ENTER, 'sh', root, data, User, ...Env];
}

/** An empty folder of the image's user. */
export function dataFolder(path: string, { User }: ImageConfig): string {
  const [user = 0, group = 0] = User.split(':').map(Number);
  mkdirSync(path);
  chownSync(path, user, group);
  return path;
}

/** A tar file with Node.js, npm, a shell and what they need, at their usual places. */
function baseFiles(folder: string): string {
  const root = join(folder, 'base');
  for (const name of ['tmp', 'proc', 'dev', 'etc', 'root', 'usr/bin', 'usr/local/bin', 'var/lib']) {
    mkdirSync(join(root, name), { recursive: true });
  }
  for (const name of ['bin', 'lib', 'lib64', 'sbin']) {
    mkdirSync(join(root, 'usr', name), { recursive: true });
    symlinkSync(`usr/${name}`, join(root, name));
  }
  const libraries = LIBRARY_PACKAGES.flatMap((name) => run('dpkg', ['-L', name]).split('\n'));
  copyInto(
    root,
    libraries.filter((path) => /[.]so(?:[.\d]*)$/.test(path)),
  );
  const programs = PROGRAMS.map((name) => run('sh', ['-c', `command -v ${name}`]));
  for (const path of programs) copyInto(root, [path, ...librariesOf(path)]);
  copyInto(root, librariesOf(process.execPath));
  cpSync(process.execPath, join(root, 'usr/bin/node'));
  const npm = dirname(dirname(realpathSync(run('sh', ['-c', 'command -v npm']))));
  cpSync(npm, join(root, 'usr/lib/node_modules/npm'), { recursive: true });
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/bin/npm'));
  writeFileSync(
    join(root, 'etc/passwd'),
    'root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/:/bin/sh\n',
  );
  const tar = join(folder, 'base.tar');
  run('tar', ['-C', root, '-cf', tar, '.']);
  rmSync(root, { recursive: true });
  return tar;
}

function librariesOf(program: string): string[] {
  return run('ldd', [program]).match(/\/\S+/g) ?? [];
}

function copyInto(root: string, paths: readonly string[]): void {
  for (const path of paths.filter((one) => existsSync(one))) {
    const to = join(root, path);
    if (existsSync(to)) continue;
    mkdirSync(dirname(to), { recursive: true });
    cpSync(realpathSync(path), to);
  }
}

/** How this machine reaches the registry of packages, and the packages that it has already. */
function npmVolumes(folder: string): string[] {
  const get = (key: string): string => run('npm', ['config', 'get', key]);
  const files = [get('globalconfig'), get('userconfig')].filter((path) => existsSync(path));
  const settings = join(folder, 'npmrc');
  writeFileSync(settings, files.map((path) => readFileSync(path, 'utf8')).join('\n'), {
    mode: 0o600,
  });
  return [
    `${settings}:/root/.npmrc:ro`,
    `${get('cache')}:/root/.npm`,
    '/etc/ssl/certs:/etc/ssl/certs:ro',
    '/etc/resolv.conf:/etc/resolv.conf:ro',
  ];
}

/** The output of a program, without the end of its last line. Throws if it fails. */
function run(program: string, words: readonly string[]): string {
  const { error, status, stderr, stdout } = spawnSync(program, words, {
    encoding: 'utf8',
    timeout: BUILD_MS_MAX,
    maxBuffer: 2 ** 26,
  });
  if (status === 0) return stdout.trim();
  const why = error?.message ?? `${stdout.slice(-4000)}\n${stderr.slice(-4000)}`;
  throw new Error(`${program} ${words.join(' ')}: ${why}`);
}
