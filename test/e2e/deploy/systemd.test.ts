// The units of systemd: taken by systemd, and open for little.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { optionsOf, resolveSettings } from '../../../base/config.ts';
import { loadAllVerbs } from '../../../cli/verbs.ts';
import { PROJECT } from '../../support/process/stele-process.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { hasTool } from '../../support/tools.ts';

/** Of 10, as systemd-analyze counts. What is left is the network and the compiler of V8. */
const EXPOSURE_MAX = 2;
const FOLDER = join(PROJECT, 'deploy/systemd');
const isPossible = hasTool('systemd-analyze', 'systemd');
const units = readdirSync(FOLDER);

function analyze(...words: string[]): { status: number | null; output: string } {
  const { status, stderr, stdout } = spawnSync('systemd-analyze', words, { encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}

describe.skipIf(!isPossible).each(units)('%s', (name) => {
  test('is a unit without mistakes', () => {
    const done = analyze('verify', '--man=no', join(FOLDER, name));
    expect(done).toEqual({ status: 0, output: '' });
  });

  test('is exposed to little', () => {
    const words = ['security', '--offline=yes', `--threshold=${10 * EXPOSURE_MAX}`];
    const { output, status } = analyze(...words, join(FOLDER, name));
    expect({ status, output: output.trim().split('\n').at(-1) }).toMatchObject({ status: 0 });
  });
});

describe.skipIf(!isPossible)('systemd', () => {
  test('finds a setting that does not exist, so that the tests above show something', () => {
    const folder = tempDir();
    const text = readFileSync(join(FOLDER, 'stele-master.service'), 'utf8');
    const path = join(folder, 'stele-master.service');
    writeFileSync(path, text.replace('ProtectHome=', 'ProtectHom='));
    expect(analyze('verify', '--man=no', path).output).toMatch(/Unknown key .*ProtectHom/);
  });
});

describe.each(units)('the command of %s', (name) => {
  const text = readFileSync(join(FOLDER, name), 'utf8');
  const [, command = ''] = /^ExecStart=\/usr\/bin\/env stele (.*)$/m.exec(text) ?? [];

  test('has flags that its verb knows', async () => {
    const [role = '', ...words] = command.split(' ');
    const verb = (await loadAllVerbs()).find((one) => one.name === role);
    if (verb === undefined) throw new Error(`there is no verb ${role}`);
    expect(name).toBe(`stele-${role}.service`);
    const known = optionsOf(verb.schema).map(({ flag }) => `--${flag}`);
    const given = words.filter((word) => word.startsWith('--'));
    expect([...known, '--config']).toEqual(expect.arrayContaining(given));
  });

  test('writes below the folder of its state alone', () => {
    const [, dataDir] = /--data-dir (\S+)/.exec(command) ?? [];
    if (dataDir === undefined) expect(text).not.toContain('StateDirectory');
    else expect(dataDir).toMatch(/^\/var\/lib\/stele\//);
    expect(text).toMatch(/^ProtectSystem=strict$/m);
  });
});

test('the settings that the Debian package begins with are settings', async () => {
  const folder = tempDir();
  mkdirSync(join(folder, 'etc'));
  const path = join(folder, 'etc', 'stele.yaml');
  const text = readFileSync(join(PROJECT, 'deploy/deb/root/etc/stele/stele.yaml'), 'utf8');
  // With all that is commented out.
  writeFileSync(path, text.replaceAll(/^#(?=[a-z-]+: )/gm, ''));
  chmodSync(path, 0o600);
  const { readSettingsFile } = await import('../../../cli/settings-sources.ts');
  const { values: file } = await readSettingsFile(path);
  expect(Object.keys(file)).toEqual([
    'host',
    'master',
    'zone',
    'auth',
    'tls-cert',
    'tls-key',
    'tls-ca',
  ]);
  const verb = (await loadAllVerbs()).find((one) => one.name === 'datanode');
  if (verb !== undefined) resolveSettings(verb.schema, { flags: {}, environment: {}, file });
});
