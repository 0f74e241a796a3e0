// The REPL as a user sees it: the built command under a pseudo terminal.

import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PROJECT, until } from '../support/process/stele-process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { Terminal } from '../support/process/terminal.ts';
import { startRespServer } from './resp-server.ts';

function openTerminal(port: number, { home = tempDir(), args = [] as string[] } = {}): Terminal {
  const main = join(PROJECT, 'dist/cli/main.js');
  return new Terminal(process.execPath, [main, 'cli', '-p', String(port), ...args], home);
}

describe('the REPL', () => {
  it('prompts with address and keyspace, shows replies as redis-cli does, and the latency', async () => {
    const server = await startRespServer([['k', 'val"ue\u0001']]);
    const terminal = openTerminal(server.port);
    await terminal.shows(`127.0.0.1:${server.port}[default]> `);
    terminal.type('GET k\r');
    await terminal.shows('"val\\"ue\\x01"');
    await terminal.shows(/\(\d+\.\d\d ms\)/);
    terminal.type('mget k "no such"\r');
    await terminal.shows(/1\) "val\\"ue\\x01"\r\n2\) \(nil\)/);
    terminal.type('frob\r');
    await terminal.shows('(error) ERR unknown command');
    terminal.type('GET "k\r');
    await terminal.shows('Invalid argument(s)');
    terminal.type('quit\r');
    expect(await terminal.exited()).toBe(0);
  });

  it('changes the keyspace with use as with SELECT, and names it in the prompt', async () => {
    const server = await startRespServer([]);
    const terminal = openTerminal(server.port);
    await terminal.shows('[default]> ');
    terminal.type('use geo\r');
    await terminal.shows('[geo]> ');
    terminal.type('select default\r');
    await terminal.shows('[default]> ');
    terminal.type('use nope\r');
    await terminal.shows("(error) ERR There is no keyspace 'nope'");
    await terminal.shows('[default]> ');
    terminal.type('\u0004');
    expect(await terminal.exited()).toBe(0);
  });

  it('completes commands and keyspaces with Tab', async () => {
    const server = await startRespServer([]);
    const terminal = openTerminal(server.port);
    await terminal.shows('[default]> ');
    terminal.type('dbs\t');
    await terminal.shows('dbsize ');
    terminal.type('\r');
    await terminal.shows('(integer) 0');
    terminal.type('use g\t');
    await terminal.shows('use geo');
    terminal.type('\r');
    await terminal.shows('[geo]> ');
  });

  it('explains its own commands and those of the server', async () => {
    const server = await startRespServer([]);
    const terminal = openTerminal(server.port);
    await terminal.shows('[default]> ');
    terminal.type('help\r');
    await terminal.shows('use KEYSPACE');
    terminal.type('help get\r');
    await terminal.shows(/GET key\r\n/);
    terminal.type('help frob\r');
    await terminal.shows("There is no command 'frob'");
  });

  it('shows what may follow, and completes keys of earlier commands', async () => {
    const server = await startRespServer([['user:1', 'v']]);
    const terminal = openTerminal(server.port);
    await terminal.shows('[default]> ');
    // The docs of the commands arrive while nobody waits for them.
    terminal.type('PING\r');
    await terminal.shows(/PONG.*\[default\]> /s);
    terminal.type('GETRANGE ');
    await terminal.shows('key start end');
    terminal.type('user:1 0 0\r');
    await terminal.shows(/ms\).*\[default\]> /s);
    terminal.type('get us');
    await terminal.shows('us');
    terminal.type('\t');
    await terminal.shows('er:1');
    terminal.type('\r');
    await terminal.shows('"v"');
  });

  it('prints values as indented JSON or hexadecimal, repeats, and finds the nearest command', async () => {
    const server = await startRespServer([['k', '{"a":[1,2]}']]);
    const terminal = openTerminal(server.port);
    await terminal.shows('[default]> ');
    terminal.type('pretty GET k\r');
    await terminal.shows('{\r\n  "a": [\r\n    1,\r\n    2\r\n  ]\r\n}');
    terminal.type('hex GET k\r');
    await terminal.shows('00000000  7b 22 61 22');
    terminal.type('2 STRLEN k\r');
    await terminal.shows(/\(integer\) 11.*\(integer\) 11/s);
    terminal.type('strln k\r');
    await terminal.shows('Did you mean STRLEN?');
    terminal.type('help @strin\r');
    await terminal.shows('The groups are @');
    terminal.type('help @string\r');
    await terminal.shows(/ STRLEN +\w/);
  });

  it('keeps a history that other users cannot read, without secrets', async () => {
    const server = await startRespServer([]);
    const terminal = openTerminal(server.port);
    await terminal.shows('[default]> ');
    terminal.type('PING\r');
    await terminal.shows('PONG');
    terminal.type('AUTH hunter2\r');
    await terminal.shows(/\[default\]> $/);
    terminal.type('\u001B[A');
    await terminal.shows('PING');
    terminal.type('\r');
    await terminal.shows('PONG');
    terminal.type('exit\r');
    await terminal.exited();
    const path = join(terminal.home, '.stele_history');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const history = readFileSync(path, 'utf8');
    expect(history).toContain('PING');
    expect(history).not.toContain('hunter2');
  });

  it('keeps 1,000 lines, each as it was typed', async () => {
    const server = await startRespServer([]);
    const home = tempDir();
    const line = (at: number) => `GET key-${at}${'x'.repeat(at % 7 === 0 ? 60 : 3)}`;
    const older = Array.from({ length: 1200 }, (_, at) => line(at));
    writeFileSync(join(home, '.stele_history'), `${older.join('\n')}\n`, { mode: 0o600 });
    const first = openTerminal(server.port, { home });
    await first.shows('[default]> ');
    for (let at = 0; at < 45; at++) first.type(`ECHO ${'y'.repeat(45 - at)}\r`);
    await first.shows('"y"\r\n');
    first.type('\u0004');
    await first.exited();
    const typed = Array.from({ length: 45 }, (_, at) => `ECHO ${'y'.repeat(45 - at)}`);
    const kept = (): string[] =>
      readFileSync(join(home, '.stele_history'), 'utf8').trimEnd().split('\n');
    expect(kept()).toEqual([...older.slice(-1000), ...typed]);
    const second = openTerminal(server.port, { home });
    await second.shows('[default]> ');
    const newest = [...older, ...typed].slice(-1000);
    // It is cut while the prompt is shown already.
    await until('the history to be cut', () => kept().length === newest.length);
    expect(kept()).toEqual(newest);
    second.type('\u001B[A\u001B[A\r');
    await second.shows('"yy"');
  });

  it('cancels at Ctrl-C: a hanging command, then a line being typed', async () => {
    const server = await startRespServer([['k', 'v']]);
    const terminal = openTerminal(server.port);
    await terminal.shows('[default]> ');
    terminal.type('GET hang\r');
    await until('the command to arrive', () => server.backend.hanging === 1);
    terminal.type('\u0003');
    await terminal.shows('Given up');
    await terminal.shows('not connected> ');
    terminal.type('GET no-such');
    terminal.type('\u0003');
    terminal.type('GET k\r');
    await terminal.shows('"v"');
    await terminal.shows('[default]> ');
    terminal.type('.help\r');
    await terminal.shows('use KEYSPACE');
    terminal.type('.exit\r');
    expect(await terminal.exited()).toBe(0);
  });

  it('reports a lost connection, and reconnects when the server is back', async () => {
    const server = await startRespServer([['k', 'v']]);
    const terminal = openTerminal(server.port, { args: ['-k', 'geo'] });
    await terminal.shows('[geo]> ');
    await server.stop();
    terminal.type('GET k\r');
    await terminal.shows('Nothing answers at');
    await terminal.shows('not connected> ');
    await server.start();
    terminal.type('GET k\r');
    await terminal.shows('"v"');
    await terminal.shows('[geo]> ');
  });

  it('starts without a server, and lists the keyspaces if there is no `default`', async () => {
    const server = await startRespServer([], ['geo', 'prices']);
    const terminal = openTerminal(server.port);
    await terminal.shows("There is no keyspace 'default'; there is geo, prices");
    await server.stop();
    const alone = openTerminal(server.port);
    await alone.shows('Nothing answers at');
    await alone.shows('not connected> ');
    alone.type('\u0004');
    expect(await alone.exited()).toBe(0);
  });

  it('runs pasted lines in their order', async () => {
    const server = await startRespServer([]);
    const terminal = openTerminal(server.port);
    await terminal.shows('[default]> ');
    terminal.type('ECHO one\rECHO two\rECHO three\r');
    const text = await terminal.shows('"three"');
    expect(text.match(/"(?:one|two|three)"/g)).toEqual(['"one"', '"two"', '"three"']);
  });
});
