import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { optionsOf } from '../../base/config.ts';
import { loadAllVerbs } from '../../cli/verbs.ts';
import { readSettingsFile, serviceLinks, settingsEnvironment } from '../../cli/settings-sources.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stele-settings-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function yamlFile(text: string): string {
  const path = join(folder, 'stele.yaml');
  writeFileSync(path, text);
  return path;
}

describe('readSettingsFile', () => {
  it('reads a flat list of settings', async () => {
    const path = yamlFile('http-port: 8080\nload: [a=1, b=2]\nzone: \n# a comment\n');
    expect(await readSettingsFile(path)).toEqual({
      path,
      values: { 'http-port': '8080', load: ['a=1', 'b=2'], zone: null },
    });
  });

  it('keeps what is written as it is written', async () => {
    const path = yamlFile(
      'id: 007\nzone: 1.10\na: 0x1F\nb: 1e3\nc: 0o17\nd: 12345678901234567890\n' +
        'e: true\nf: .inf\ng: "007"\nh: [1.10, 01]\ni: "~"\nj: -0\n',
    );
    expect((await readSettingsFile(path)).values).toEqual({
      id: '007',
      zone: '1.10',
      a: '0x1F',
      b: '1e3',
      c: '0o17',
      d: '12345678901234567890',
      e: 'true',
      f: '.inf',
      g: '007',
      h: ['1.10', '01'],
      i: '~',
      j: '-0',
    });
  });

  it('reads an empty file as no settings', async () => {
    expect((await readSettingsFile(yamlFile('# nothing yet\n'))).values).toEqual({});
  });

  it('refuses a requested file that does not exist', async () => {
    await expect(readSettingsFile(join(folder, 'nope.yaml'))).rejects.toMatchObject({
      code: 'INPUT_NOT_FOUND',
      message: expect.stringMatching(/does not exist; check --config/) as unknown,
    });
  });

  it.each([
    ['a: [', /is not valid YAML: [^\n]+[.]$/],
    ['- a\n- b\n', /must be a list of `name: value` lines/],
    ['a: 1\n---\nb: 2\n', /has several YAML documents/],
    [
      'comment: #\nb: 1\n',
      /a value of 'comment' that YAML reads as null.* in quotes \(comment: "#"\)/,
    ],
    ['comment: # lines to skip\n', /a value of 'comment'/],
    ['zone: ~\n', /a value of 'zone'/],
    ['b: 1\nzone: null\n', /a value of 'zone'/],
    ['load: [a=1, ~]\n', /a value of 'load'/],
    ['load:\n  - a=1\n  - #\n', /a value of 'load'/],
    ['just text', /must be a list of `name: value` lines/],
    ['master:\n  http-port: 1\n', /nests values under 'master'/],
    ['load:\n  - {a: 1}\n', /nests values under 'load'/],
  ])('refuses %j in one sentence', async (text, message) => {
    await expect(readSettingsFile(yamlFile(text))).rejects.toThrow(message);
    await expect(readSettingsFile(yamlFile(text))).rejects.not.toThrow(/\n/);
  });
});

describe('settingsEnvironment', () => {
  it('uses only variables of its own names', () => {
    expect(settingsEnvironment({ HOME: '/', STELE_ZONE: 'a' })).toEqual({ STELE_ZONE: 'a' });
  });

  it.each(['STELE_HTTP_PORT', 'STELE_RESP_PORT', 'STELE_GRPC_PORT', 'STELE_MASTER_PORT'])(
    'ignores %s if Kubernetes has set it',
    (name) => {
      const environment = { [name]: 'tcp://10.96.0.7:9000', STELE_ZONE: 'a' };
      expect(settingsEnvironment(environment)).toEqual({ STELE_ZONE: 'a' });
      expect(serviceLinks(environment, ['STELE_ZONE', name])).toEqual([name]);
      expect(serviceLinks({ [name]: '9000' }, [name])).toEqual([]);
    },
  );

  it.each(['STELE', 'STELE_MASTER', 'STELE_HTTP'])(
    'uses none of the variables of a Kubernetes service named like %s',
    (service) => {
      const links = {
        [`${service}_SERVICE_HOST`]: '10.0.0.1',
        [`${service}_SERVICE_PORT`]: '9000',
        [`${service}_SERVICE_PORT_HTTP`]: '9000',
        [`${service}_PORT`]: 'tcp://10.0.0.1:9000',
        [`${service}_PORT_9000_TCP`]: 'tcp://10.0.0.1:9000',
        [`${service}_PORT_9000_TCP_PROTO`]: 'tcp',
        [`${service}_PORT_9000_TCP_PORT`]: '9000',
        [`${service}_PORT_9000_TCP_ADDR`]: '10.0.0.1',
      };
      expect(settingsEnvironment({ ...links, STELE_ZONE: 'a' })).toEqual({ STELE_ZONE: 'a' });
    },
  );

  it('uses every setting of every verb, unless its value is the address of a service', async () => {
    const names = (await loadAllVerbs()).flatMap(({ schema }) =>
      optionsOf(schema).map(({ environment }) => environment),
    );
    const given = Object.fromEntries(names.map((name) => [name, '1']));
    expect(settingsEnvironment(given)).toEqual(given);
    expect(settingsEnvironment({ STELE_PORT: 'tcp://10.0.0.1:9000' })).toEqual({});
  });
});
