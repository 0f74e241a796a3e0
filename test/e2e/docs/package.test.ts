// The content of the package that `npm pack` makes: everything that runs or is linked to, and
// nothing that only developers need.

import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { PROJECT } from '../../support/process/stele-process.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** Without scripts, which would rebuild the dist/ that other tests are using. */
function pack(...words: string[]): { filename: string; files: { path: string }[] } {
  const all = ['pack', '--json', '--ignore-scripts', ...words];
  const [packed] = JSON.parse(
    execFileSync('npm', all, { cwd: PROJECT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }),
  ) as [{ filename: string; files: { path: string }[] }];
  return packed;
}

test('the package has exactly what runs and what is linked to', () => {
  const paths = pack('--dry-run').files.map(({ path }) => path);
  for (const path of [
    'dist/cli/main.js',
    'dist/bundle/command-process.js',
    'dist/bundle/third-party.txt',
    'dist/embedded/library.js',
    'dist/embedded/library.d.ts',
    'dist/console/index.html',
    'dist/proto/gen/stele/v1/cluster.js',
    'proto/stele/v1/cluster.proto',
    'deploy/systemd/stele-master.service',
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'data/airports.csv',
  ]) {
    expect(paths).toContain(path);
  }
  const unwanted = /(?:[.]map|[.]stamp|[.]tsbuildinfo|(?<![.]d)[.]ts)$|^(?:test|bench|[.])/;
  expect(paths.filter((path) => unwanted.test(path))).toEqual([]);
  const links = paths
    .filter((path) => path.endsWith('.md'))
    .flatMap((path) => {
      const text = readFileSync(join(PROJECT, path), 'utf8');
      const found = [...text.matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)/g)];
      return found.map(([, target = '']) => normalize(join(dirname(path), target)));
    });
  const isThere = (link: string): boolean =>
    paths.some((path) => path === link || path.startsWith(`${link.replace(/[/]$/, '')}/`));
  // What the documentation says about the source is not for users of the package.
  const isSource = (link: string): boolean => /^(?:test|bench)\b|[.]ts$/.test(link);
  expect(links.filter((link) => !isThere(link) && !isSource(link))).toEqual([]);
});

test('the packed package runs and can be imported without anything else installed', () => {
  const folder = tempDir();
  const { filename } = pack('--pack-destination', folder);
  const stele = join(folder, 'node_modules', 'stele');
  mkdirSync(stele, { recursive: true });
  execFileSync('tar', ['xzf', join(folder, filename), '-C', stele, '--strip-components=1']);
  symlinkSync(join(PROJECT, 'node_modules'), join(stele, 'node_modules'));
  const run = (...words: string[]): string =>
    execFileSync(process.execPath, words, { cwd: folder, encoding: 'utf8' });
  expect(run(join(stele, 'dist/cli/main.js'), '--version')).toBe('0.1.0\n');
  writeFileSync(
    join(folder, 'use.mjs'),
    `import { startCluster } from 'stele';
     const cluster = await startCluster({ datanodes: 1, replication: 1, shards: 1 });
     console.log(cluster.datanodes.length);
     await cluster.close();`,
  );
  expect(run('use.mjs')).toBe('1\n');
}, 60_000);

/** A checkout with only what `npm pack` needs. */
function checkout(): string {
  const folder = tempDir();
  for (const name of ['package.json', '.npmrc', 'tsconfig.json', 'LICENSE']) {
    copyFileSync(join(PROJECT, name), join(folder, name));
  }
  return folder;
}

test('npm pack in a checkout rebuilds dist/ with the settings of the repository', () => {
  const folder = checkout();
  const bin = join(folder, 'node_modules', '.bin');
  mkdirSync(bin, { recursive: true });
  const compiler =
    '#!/bin/sh\nmkdir -p dist/cli/reference && echo built > dist/cli/main.js && echo > dist/cli/reference/write.js\n';
  writeFileSync(join(bin, 'tsc'), compiler, { mode: 0o755 });
  mkdirSync(join(folder, 'console'));
  const pageBuild =
    "import { writeFileSync } from 'node:fs'; writeFileSync('dist/page.html', '');\n";
  writeFileSync(join(folder, 'console', 'build.mjs'), pageBuild);
  mkdirSync(join(folder, 'cli'));
  writeFileSync(join(folder, 'cli', 'bundle.mjs'), '');
  mkdirSync(join(folder, 'dist'));
  writeFileSync(join(folder, 'dist', 'old.js'), 'of an older build');
  execFileSync('npm', ['pack'], { cwd: folder, stdio: 'pipe' });
  const packed = execFileSync('tar', ['tzf', 'stele-0.1.0.tgz'], { cwd: folder, encoding: 'utf8' });
  expect(packed).toContain('package/dist/cli/main.js\n');
  expect(packed).toContain('package/dist/page.html\n');
  expect(packed).not.toContain('old.js');
});

test('npm pack in a checkout without a compiler explains what to do, and packs nothing', () => {
  const folder = checkout();
  const npm = spawnSync('npm', ['pack'], { cwd: folder, encoding: 'utf8' });
  expect(npm.status).not.toBe(0);
  expect(npm.stderr).toContain('run `npm ci` first');
  expect(readdirSync(folder)).not.toContain('stele-0.1.0.tgz');
});

test('scripts of dependencies are disabled, because all dependencies work without them', () => {
  const { packages } = JSON.parse(readFileSync(join(PROJECT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { hasInstallScript?: boolean }>;
  };
  const withScripts = Object.entries(packages).filter(([, one]) => one.hasInstallScript);
  const names = withScripts.map(([path]) => path.replace(/^.*node_modules[/]/, ''));
  const { allowScripts } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as {
    allowScripts: Record<string, boolean>;
  };
  expect(allowScripts).toEqual(Object.fromEntries(names.map((name) => [name, false])));
});

test('no dependency needs a newer Node.js than Stele does', () => {
  const lock = JSON.parse(readFileSync(join(PROJECT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; engines?: { node?: string } }>;
  };
  const tooNew = Object.entries(lock.packages).filter(([, { engines }]) =>
    /^\s*>=?\s*(?:2[1-9]|[3-9]\d)/.test(engines?.node ?? ''),
  );
  expect(tooNew.map(([path]) => path)).toEqual([]);
});
