// `stele cli`: reads keys over the Redis protocol, one command at a time or interactively.
//
// As in redis-cli, `-h` is the host, so help is only `--help`.

import { option, settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { isAddress, splitAddress } from '../../../base/address.ts';
import { shorten } from '../../../base/ids.ts';
import { VALUE_BYTES_MAX } from '../../../base/limits.ts';
import { formatBytes } from '../../../base/units.ts';
import { formOf, intervalMsOf, timesOf, toolOf } from '../../repl/cli-flags.ts';
import type { SessionAddress } from '../../repl/repl-session.ts';
import { respLoginOf, userOptions } from '../../../transport/client-identity.ts';
import { DEFAULT_USER } from '../../../access/basic.ts';
import { tlsOptions } from '../../../transport/tls/tls-settings.ts';
import { askPassword } from '../../ask.ts';
import { EXIT_OK } from '../../exit.ts';
import { defineVerb } from '../../verb.ts';

export const definition = defineVerb({
  name: 'cli',
  operands: '[command...]',
  passThrough: true,
  short: { host: 'h', port: 'p', keyspace: 'k', repeat: 'r', interval: 'i', stdin: 'x' },
  schema: settingsOf({
    host: option.text(
      'host of a master, query node or datanode, or HOST:PORT; of several, with commas: another one is used when one is gone',
      '127.0.0.1',
      { placeholder: 'host' },
    ),
    port: option.port('the RESP port of hosts without one', 7379),
    keyspace: option.optionalText('the keyspace to read from (default: default)', {
      placeholder: 'keyspace',
    }),
    tls: { ...tlsOptions.tls, description: 'connect with TLS', bare: ['required', 'off'] },
    tlsCa: { ...tlsOptions.tlsCa, aliases: ['cacert'] },
    tlsCert: { ...tlsOptions.tlsCert, aliases: ['cert'] },
    tlsKey: { ...tlsOptions.tlsKey, aliases: ['key'] },
    ...userOptions,
    askpass: option.flag('ask for the password of --user'),
    timeout: option.duration('how long to wait for a reply', '30s', { min: 1, max: 600_000 }),
    output: option.choice(
      'how replies are printed; table: formatted on a terminal, raw elsewhere',
      ['table', 'formatted', 'raw', 'csv', 'json'],
      'table',
    ),
    raw: option.flag('as -o raw: the bytes as they are'),
    csv: option.flag('as -o csv'),
    json: option.flag('as -o json'),
    repeat: option.text('how often the command is sent; -1: until it is interrupted', '1', {
      placeholder: 'n',
    }),
    interval: option.optionalText(
      'the pause between repeated commands, in seconds (0.1) or with a unit (100ms)',
      { placeholder: 'time' },
    ),
    stdin: option.flag('read the last argument of the command from stdin'),
    scan: option.flag('list the keys'),
    pattern: option.optionalText('only keys that match (* ? [a-z]), for --scan and the next two', {
      placeholder: 'glob',
    }),
    count: option.count('keys that one SCAN looks at', 1000, { min: 1, max: 1_000_000 }),
    bigkeys: option.flag('find the largest values'),
    memkeys: option.flag('find the keys that take most memory'),
    hotkeys: option.flag('list the keys that are read most, by a sample of the reads'),
    stat: option.flag('print figures of the server every second, or -i'),
    latency: option.flag('measure the latency of PING'),
    latencyHistory: option.flag('the same, a line every 15 seconds, or -i'),
    latencyDist: option.flag('the same, as a distribution every second, or -i'),
  }),
  examples: [
    'stele cli',
    'stele cli -k example GET some-key',
    'stele cli -k example -o json MGET some-key another-key',
    'stele cli -k example -r 3 -i 0.5 GET some-key',
    "stele cli -k example --scan --pattern 'user:*'",
    'stele cli -k example --bigkeys',
    'stele cli --latency',
    'stele cli -h 10.0.0.5 -p 7379 STELE KEYSPACES',
    'stele cli -h 10.0.0.5,10.0.0.6:7479 -k example',
    'stele cli --tls --cacert certs/ca.crt -k example GET some-key',
    "echo 'GET some-key' | stele cli -k example",
  ],
  async run({ operands, settings: { values }, output }) {
    if (values.keyspace === '') {
      throw new SteleError('INVALID_ARGUMENT', '-k needs the name of a keyspace.');
    }
    const form = formOf(values);
    const tool = toolOf(values);
    const times = timesOf(values.repeat);
    const intervalMs = intervalMsOf(values.interval);
    if (tool !== undefined && operands.length > 0) {
      const text = `'${shorten(operands[0] ?? '')}' is left over: a flag such as --scan takes no command.`;
      throw new SteleError('INVALID_ARGUMENT', text);
    }
    const { CliSession } = await import('../../repl/repl-session.ts');
    const { clientTls } = await import('../../../transport/tls/open-tls.ts');
    const { host, port, keyspace, timeout } = values;
    const login = values.askpass
      ? { user: values.user || DEFAULT_USER, password: await askPassword('Password: ') }
      : respLoginOf(values);
    const session = new CliSession(
      { addresses: addressesOf(host, port), keyspace, login },
      { replyTimeoutMs: timeout, tls: clientTls(values) },
    );
    try {
      if (tool !== undefined) {
        const { runTool } = await import('../../repl/run-tool.ts');
        const { pattern, count } = values;
        return await runTool(session, output, tool, { pattern, count, intervalMs, times, form });
      }
      if (operands.length === 0 && process.stdin.isTTY) {
        const { runRepl } = await import('../../repl/repl.ts');
        await runRepl(session, output, form);
        return EXIT_OK;
      }
      const { runCommand, runPiped } = await import('../../repl/one-shot.ts');
      if (operands.length === 0) return await runPiped(session, process.stdin, output, form);
      const last = values.stdin ? [await readArgument(process.stdin)] : [];
      const repetition = { times, intervalMs: intervalMs ?? 0 };
      return await runCommand(session, [...operands, ...last], output, form, repetition);
    } finally {
      session.close();
    }
  },
});

/** The servers in `hosts`, a list of HOST and HOST:PORT; `port` is that of the others. */
function addressesOf(hosts: string, port: number): SessionAddress[] {
  return hosts.split(',').map((host) => {
    if (host === '') {
      throw new SteleError('INVALID_ARGUMENT', `-h '${shorten(hosts)}' has an empty element.`);
    }
    return isAddress(host) ? splitAddress(host) : { host, port };
  });
}

/** All of stdin, for -x. Throws INVALID_ARGUMENT if it is longer than an argument may be. */
async function readArgument(input: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of input) {
    const part = Buffer.from(chunk);
    bytes += part.length;
    if (bytes > VALUE_BYTES_MAX) {
      const text = `stdin has more than ${formatBytes(VALUE_BYTES_MAX)}, which is the longest argument.`;
      throw new SteleError('INVALID_ARGUMENT', text);
    }
    chunks.push(part);
  }
  return Buffer.concat(chunks);
}
