// Command lines, run in this process: exit codes, sentences, and what goes to which stream.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCommandLine } from '../../cli/program.ts';
import { tempDir } from '../support/temp-dir.ts';
import { RecordingOutput } from './recording-output.ts';
import { startRespServer } from './resp-server.ts';

interface Done {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function stele(args: readonly string[], env: Record<string, string> = {}): Promise<Done> {
  const output = new RecordingOutput();
  const code = await runCommandLine(args, output, env);
  return { code, stdout: output.stdout, stderr: output.stderr };
}

/** No port of an ordinary service, and nobody listens there. */
const NOBODY = '127.0.0.1:1';

const VERBS =
  'up load cli status keyspaces versions rollback drop nodes node shards ring explain verify config master datanode'.split(
    ' ',
  );

describe('wrong usage', () => {
  it.each<[string[], RegExp]>([
    [['statsu'], /unknown command 'statsu' \(Did you mean status\?\); `stele --help`/],
    [['keyspaces', '--mastr', 'x'], /unknown option '--mastr' \(Did you mean --master\?\)/],
    [['versions'], /missing required argument 'keyspace'; `stele versions --help`/],
    [['versions', 'a', 'b'], /too many arguments/],
    [['versions', 'a/b'], /'a\/b' is not a keyspace name/],
    [['status', '--wait', 'blue'], /--wait: 'blue' is not known; use one of none, green, yellow/],
    [['up', '--datanodes', '0'], /--datanodes: 0 is out of range; use 1 to 64/],
    [['up', '--load', 'x'], /--load takes KEYSPACE=PATH/],
    [['node', 'drian', 'x'], /'drian' is nothing a node can be told; use drain, resume or remove/],
    [['rollback', 'ks', '--to', '0'], /'0' is not a version/],
    [['drop', 'ks'], /add --yes to do it without being asked/],
    [['verify'], /Name segment files, or a folder with --data-dir/],
    [['config', 'nope'], /There is no verb 'nope'/],
    [['--log-level', 'loud', 'keyspaces'], /--log-level: 'loud' is not known/],
  ])('%j ends with 2 and one sentence that helps', async (args, sentence) => {
    const { code, stdout, stderr } = await stele(args);
    expect(stderr).toMatch(sentence);
    expect(stderr).toMatch(/^stele: [^\n]+\n$/);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });
});

describe('failure', () => {
  it.each<[string[], RegExp]>([
    [['keyspaces', '--master', NOBODY], /No master answers at 127.0.0.1:1; start one with/],
    [['cli', '-p', '1', 'PING'], /Nothing answers at 127.0.0.1:1 \(connection refused\); start/],
    [['verify', '/no/such.seg'], /There is no file \/no\/such.seg/],
    [['verify', '--data-dir', '/no/such'], /There is no folder \/no\/such/],
    [['--config', '/no/such.yaml', 'nodes'], /\/no\/such.yaml does not exist; check --config/],
    [['up', '--load', 'a=/no/such.csv'], /There is no file \/no\/such.csv to load into a/],
  ])('%j ends with 1 and one sentence that helps', async (args, sentence) => {
    const { code, stdout, stderr } = await stele(args);
    expect(stderr).toMatch(sentence);
    expect(stderr).toMatch(/^stele: [^\n]+\n$/);
    expect(stdout).toBe('');
    expect(code).toBe(1);
  });

  it('shows where it comes from only under STELE_DEBUG', async () => {
    const { stderr } = await stele(['verify', '/no/such.seg'], { STELE_DEBUG: '1' });
    expect(stderr).toMatch(/^stele: There is no file/);
    expect(stderr).toMatch(/\n +at /);
  });
});

describe('help', () => {
  it.each(VERBS)('of %s names its options and has an example', async (verb) => {
    const { code, stdout } = await stele([verb, '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Usage: stele ${verb} `));
    expect(stdout).toMatch(new RegExp(`Examples:\n[^]*stele ${verb}`));
    expect(await stele(['help', verb])).toMatchObject({ code: 0, stdout });
  });

  it('tells the version of the package', async () => {
    const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
    const { version } = JSON.parse(text) as { version: string };
    expect(await stele(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('lists every verb', async () => {
    const { stdout } = await stele(['--help']);
    for (const verb of VERBS) expect(stdout).toMatch(new RegExp(`^  ${verb} `, 'm'));
  });
});

describe('stele config', () => {
  it('tells value and source of each setting: flag over environment over file over default', async () => {
    const path = join(tempDir(), 'settings.yaml');
    writeFileSync(path, 'http-port: 1111\nresp-port: 2222\n');
    const { stdout } = await stele(['config', 'up', '-o', 'json', '--config', path], {
      STELE_HTTP_PORT: '3333',
    });
    const rows = JSON.parse(stdout) as { setting: string; value: unknown; source: string }[];
    const find = (setting: string) => rows.find((row) => row.setting === setting);
    expect(find('http-port')).toMatchObject({ value: 3333, source: 'environment' });
    expect(find('resp-port')).toMatchObject({ value: 2222, source: 'file', from: path });
    expect(find('grpc-port')).toMatchObject({ value: 50_050, source: 'default' });
  });

  it('refuses a file with a key that no verb knows', async () => {
    const path = join(tempDir(), 'settings.yaml');
    writeFileSync(path, 'htpp-port: 1\n');
    const { code, stderr } = await stele(['config', '--config', path]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/unknown key 'htpp-port'/);
  });
});

describe('stele cli COMMAND', () => {
  it('prints the bytes of a value and a newline when nobody watches', async () => {
    const { port } = await startRespServer([['k', 'a "quoted" value']]);
    const done = await stele(['cli', '-p', String(port), 'GET', 'k']);
    expect(done).toMatchObject({ code: 0, stdout: 'a "quoted" value\n', stderr: '' });
  });

  it('leaves flags behind the command to the command', async () => {
    const { port } = await startRespServer([]);
    const done = await stele(['cli', '-p', String(port), 'ECHO', '--help']);
    expect(done).toMatchObject({ code: 0, stdout: '--help\n' });
  });

  it('ends with 1 when the reply is an error', async () => {
    const { port } = await startRespServer([]);
    const done = await stele(['cli', '-p', String(port), 'FROB']);
    expect(done.code).toBe(1);
    expect(done.stdout).toMatch(/^ERR unknown command/);
  });

  it('says what keyspaces there are when the wanted one is not', async () => {
    const { port } = await startRespServer([], ['geo']);
    const sentence = (name: string) =>
      `stele: There is no keyspace '${name}'; there is geo (choose with \`use\` or -k).\n`;
    const asked = await stele(['cli', '-p', String(port), '-k', 'nope', 'GET', 'x']);
    expect(asked).toMatchObject({ code: 1, stdout: '', stderr: sentence('nope') });
    const unasked = await stele(['cli', '-p', String(port), 'GET', 'x']);
    expect(unasked).toMatchObject({ code: 1, stderr: sentence('default') });
  });
});
