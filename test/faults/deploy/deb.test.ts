// The Debian package: built by its script, looked at by lintian, and installed, upgraded and purged
// by dpkg on a copy of this machine that is thrown away.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  ANY_PORTS,
  PROJECT,
  SteleProcess,
  flags,
  stele,
} from '../../support/process/stele-process.ts';
import { canThrowAway, runThrownAway } from '../../support/process/throw-away.ts';
import { hasTool } from '../../support/tools.ts';

const isPossible = ['dpkg-deb', 'strip', 'lintian'].every((name) =>
  hasTool(name, name === 'strip' ? 'binutils' : name.replace('-deb', '')),
);
const folder = mkdtempSync(join(tmpdir(), 'stele-deb-'));
let file = '';

beforeAll(() => {
  if (!isPossible) return;
  // Without scripts, which would rebuild the dist/ that other tests are using.
  const words = ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder];
  const packed = execFileSync('npm', words, { cwd: PROJECT, encoding: 'utf8' }).trim();
  const script = join(PROJECT, 'deploy/deb/build.sh');
  execFileSync(script, ['--package', join(folder, packed), folder], {
    env: { ...process.env, DEB_COMPRESSION: 'gzip' },
    stdio: 'pipe',
  });
  const [name = ''] = readdirSync(folder).filter((one) => one.endsWith('.deb'));
  file = join(folder, name);
}, 600_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!isPossible)('the Debian package', () => {
  test('has the names, the dependency and the settings that it should', () => {
    expect(file).toMatch(/stele_0[.]1[.]0_[a-z0-9]+[.]deb$/);
    const field = (name: string): string =>
      execFileSync('dpkg-deb', ['--field', file, name], { encoding: 'utf8' }).trim();
    expect(field('Depends')).toContain('nodejs (>= 20.19)');
    const listed = execFileSync('dpkg-deb', ['--contents', file], { encoding: 'utf8' });
    for (const path of [
      './usr/bin/stele -> ../lib/stele/dist/cli/main.js',
      './usr/lib/systemd/system/stele-datanode.service',
      './usr/share/man/man1/stele-load.1.gz',
      './usr/share/bash-completion/completions/stele',
      './etc/stele/stele.yaml',
    ]) {
      expect(listed).toContain(path);
    }
    expect(listed).not.toMatch(/node_modules\/(?:typescript|vitest|vite)\/|musl|prebuilds\/darwin/);
  });

  test('has no errors by lintian, and warnings of its dependencies alone', () => {
    const words = ['--allow-root', '--fail-on', 'error', file];
    const { status, stderr, stdout } = spawnSync('lintian', words, { encoding: 'utf8' });
    expect({ status, errors: stdout.match(/^E:.*/gm), stderr }).toMatchObject({ status: 0 });
    const own = stdout.split('\n').filter((line) => /^[EW]:/.test(line));
    expect(own.filter((line) => !/usr\/lib\/stele\/(?:node_modules|dist)\//.test(line))).toEqual(
      [],
    );
  });

  test('is the same whenever it is built from the same source', () => {
    const times = execFileSync('dpkg-deb', ['--contents', file], { encoding: 'utf8' });
    const stamps = new Set(times.match(/\d{4}-\d\d-\d\d \d\d:\d\d/g));
    expect(stamps.size).toBeGreaterThan(0);
    const latest = [...stamps].toSorted().at(-1) ?? '';
    const words = ['log', '-1', '--format=%ct'];
    const source = execFileSync('git', words, { cwd: PROJECT, encoding: 'utf8' });
    expect(new Date(`${latest}Z`).getTime()).toBeLessThanOrEqual(1000 * Number(source));
  });

  test('runs a cluster from where it was unpacked', async () => {
    const root = join(folder, 'root');
    execFileSync('dpkg-deb', ['--extract', file, root]);
    const script = join(root, 'usr/bin/stele');
    const version = new SteleProcess(['version'], { script });
    expect((await version.finished()).stdout).toMatch(/^stele +0[.]1[.]0/);
    const sample = join(folder, 'rows.data');
    writeFileSync(sample, 'a one\nb two\n');
    const words = flags({ datanodes: 2, 'data-dir': join(folder, 'data'), load: `rows=${sample}` });
    const up = new SteleProcess(['up', ...words, ...ANY_PORTS], { script });
    onTestFinished(() => void up.kill('SIGTERM'));
    await up.printed(/^ready$/m);
    const [master] = up.addresses();
    const get = ['cli', '-p', String(master?.resp), '-k', 'rows', 'GET', 'b'];
    expect(await stele(get)).toMatchObject({ code: 0, stdout: 'two\n' });
    expect((await up.kill('SIGTERM')).code).toBe(0);
  }, 120_000);

  describe.skipIf(isPossible && !canThrowAway())('on a machine', () => {
    /** What dpkg says without a terminal and a running systemd. */
    const install = `export DEBIAN_FRONTEND=noninteractive; dpkg --force-depends -i $deb`;

    function onMachine(script: string): string {
      const { output, status } = runThrownAway(`deb=${file}; ${script}`);
      expect({ output, status }).toMatchObject({ status: 0 });
      return output;
    }

    test('makes its user, and has a command and units that systemd takes', () => {
      const output = onMachine(`
        ${install}
        getent passwd stele
        stele version
        man -w stele-datanode 2>/dev/null || ls /usr/share/man/man1/stele-datanode.1.gz
        systemd-analyze verify --man=no /usr/lib/systemd/system/stele-*.service
        echo verified
        runuser -u stele -- stele config datanode --config /etc/stele/stele.yaml > /dev/null
        echo readable`);
      expect(output).toMatch(/^stele:x:\d+:\d+:.*:\/var\/lib\/stele:\/usr\/sbin\/nologin$/m);
      expect(output).toMatch(/^verified\nreadable$/m);
    }, 180_000);

    test('keeps changed settings at an upgrade and a removal, and leaves nothing after a purge', () => {
      const output = onMachine(`
        ${install} > /dev/null
        echo 'log-level: warn' >> /etc/stele/stele.yaml
        mkdir -p /var/lib/stele/datanode
        ${install} > /dev/null
        tail -n 1 /etc/stele/stele.yaml
        dpkg --remove stele > /dev/null
        ls /etc/stele/stele.yaml; ls -d /var/lib/stele/datanode; ls -d /usr/lib/stele || echo no program
        dpkg --purge stele > /dev/null
        echo purged
        find /etc/stele /etc/default/stele /var/lib/stele /usr/lib/stele /usr/bin/stele || echo nothing left`);
      expect(output).toMatch(/^log-level: warn$/m);
      expect(output).toMatch(/^\/etc\/stele\/stele[.]yaml\n\/var\/lib\/stele\/datanode$/m);
      expect(output).toMatch(/^no program$/m);
      const [, afterPurge = ''] = output.split('purged\n');
      expect(afterPurge).toMatch(/^nothing left$/m);
      expect(afterPurge).not.toMatch(/^\//m);
    }, 180_000);
  });
});
