// `stele cli`: reads keys over the Redis protocol, one command at a time or interactively.
//
// As in redis-cli, `-h` is the host, so help is only `--help`.

import { option, settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { isAddress } from '../../../base/address.ts';
import { shorten } from '../../../base/ids.ts';
import type { SessionAddress } from '../../repl/repl-session.ts';
import { loginOf, userOptions } from '../../../transport/client-identity.ts';
import { tlsOptions } from '../../../transport/tls/tls-settings.ts';
import { askPassword } from '../../ask.ts';
import { EXIT_OK } from '../../exit.ts';
import { defineVerb } from '../../verb.ts';

export const definition = defineVerb({
  name: 'cli',
  operands: '[command...]',
  passThrough: true,
  short: { host: 'h', port: 'p', keyspace: 'k' },
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
      'replies as redis-cli prints them, or each as one line of JSON',
      ['table', 'json'],
      'table',
    ),
  }),
  examples: [
    'stele cli',
    'stele cli -k example GET some-key',
    'stele cli -k example -o json MGET some-key another-key',
    'stele cli -h 10.0.0.5 -p 7379 STELE KEYSPACES',
    'stele cli -h 10.0.0.5,10.0.0.6:7479 -k example',
    'stele cli --tls --cacert certs/ca.crt -k example GET some-key',
    "echo 'GET some-key' | stele cli -k example",
  ],
  async run({ operands, settings: { values }, output }) {
    if (values.keyspace === '') {
      throw new SteleError('INVALID_ARGUMENT', '-k needs the name of a keyspace.');
    }
    const { CliSession } = await import('../../repl/repl-session.ts');
    const { clientTls } = await import('../../../transport/tls/open-tls.ts');
    const { host, port, keyspace, timeout } = values;
    const login = values.askpass
      ? { user: values.user || 'default', password: await askPassword('Password: ') }
      : loginOf(values);
    const session = new CliSession(
      { addresses: addressesOf(host, port), keyspace, login },
      { replyTimeoutMs: timeout, tls: clientTls(values) },
    );
    try {
      if (operands.length === 0 && process.stdin.isTTY) {
        const { runRepl } = await import('../../repl/repl.ts');
        await runRepl(session, output);
        return EXIT_OK;
      }
      const { runCommand, runPiped } = await import('../../repl/one-shot.ts');
      if (operands.length > 0) return await runCommand(session, operands, output, values.output);
      return await runPiped(session, process.stdin, output, values.output);
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
    if (!isAddress(host)) return { host, port };
    const colon = host.lastIndexOf(':');
    const name = host.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
    return { host: name, port: Number(host.slice(colon + 1)) };
  });
}
