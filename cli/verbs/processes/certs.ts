// `stele certs`: makes the certificates of a cluster: an authority, and what it signs for processes
// and for people.

import { hostname } from 'node:os';
import { option, settingsOf } from '../../../base/config.ts';
import type { SettingsValues } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { shorten } from '../../../base/ids.ts';
import type { CertificateFolder } from '../../certs/certificate-folder.ts';
import { AUTHORITY_DAYS, CERTIFICATE_DAYS } from '../../certs/validity.ts';
import { EXIT_OK } from '../../exit.ts';
import type { Output } from '../../output.ts';
import { defineVerb } from '../../verb.ts';

const DAYS_MAX = 36_500;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$/;
const HOST = /^[A-Za-z0-9*:][A-Za-z0-9.:_-]{0,252}$/;
/** Names of files, or of processes, that no person has. */
const RESERVED: ReadonlySet<string> = new Set(['ca', 'node']);

const schema = settingsOf({
  dir: option.text('folder of the certificates', 'certs', { placeholder: 'DIR' }),
  name: option.text('node: name of its files, if there are several', 'node', {
    placeholder: 'NAME',
  }),
  days: option.count(
    `how long it is valid; 0: ${AUTHORITY_DAYS} for init, otherwise ${CERTIFICATE_DAYS}`,
    0,
    { min: 0, max: DAYS_MAX },
  ),
  renew: option.flag(
    'replace what there is; init: by a new authority, while the old one stays trusted',
  ),
  dropOld: option.flag('init: trust only the newest authority from now on'),
});

type Values = SettingsValues<typeof schema>;

export const definition = defineVerb({
  name: 'certs',
  operands: '<action> [name...]',
  actions: ['init', 'node', 'client'],
  schema,
  examples: [
    'stele certs init',
    'stele certs node db1.example.com 10.0.0.5 --name db1',
    'stele certs client alice',
    'stele certs node --name db1 --renew',
    'stele certs init --renew',
    'stele certs init --drop-old',
  ],
  async run({ operands: [action = '', ...names], settings: { values }, output }) {
    const { CertificateFolder } = await import('../../certs/certificate-folder.ts');
    const folder = new CertificateFolder(values.dir);
    if (action === 'init' && names.length === 0) await init(folder, values, output);
    else if (action === 'node') await node(folder, names, values, output);
    else if (action === 'client' && names.length === 1) {
      await client(folder, names[0] ?? '', values, output);
    } else {
      throw new SteleError(
        'INVALID_ARGUMENT',
        'Use `stele certs init`, `stele certs node [HOST...]` or `stele certs client USER`.',
      );
    }
    return EXIT_OK;
  },
});

async function init(folder: CertificateFolder, values: Values, output: Output): Promise<void> {
  if (values.dropOld) {
    folder.dropOldAuthorities();
    output.line(
      `${folder.authorityFile} now has the newest authority alone. Copy it to every process and every client.`,
    );
    return;
  }
  if (folder.hasAuthority && !values.renew) throw alreadyThere(folder.authorityFile);
  const { newAuthority } = await import('../../certs/issue.ts');
  const old = folder.trusted();
  folder.writeAuthority(await newAuthority(values.days || AUTHORITY_DAYS), old);
  const { cert, key } = folder.files('ca');
  output.line(`${cert}  for every process and every client: --tls-ca (redis-cli: --cacert)`);
  output.line(`${key}  signs certificates; keep it where nobody else reads it, and on no server`);
  output.line(
    old.length === 0
      ? 'Next: `stele certs node HOST...` for every machine.'
      : `Next: copy ${cert} everywhere, then renew every certificate, then \`stele certs init --drop-old\`.`,
  );
}

async function node(
  folder: CertificateFolder,
  given: readonly string[],
  values: Values,
  output: Output,
): Promise<void> {
  const { name } = values;
  checkName(name, NAME, 'a name of files');
  if (name === 'ca' || name.startsWith('client.')) throw unusable(name, 'a name of files');
  const { hostsIn } = await import('../../certs/issue.ts');
  const before = folder.certificate(name);
  const known =
    before === undefined ? ['localhost', '127.0.0.1', '::1', hostname()] : hostsIn(before);
  const hosts = given.length > 0 ? given : known;
  for (const host of hosts) checkName(host, HOST, 'a host name or an IP address');
  await make(folder, name, { commonName: 'node', hosts }, values);
  const { cert, key } = folder.files(name);
  output.line(`${cert}  for the processes that are dialled as ${hosts.join(', ')}: --tls-cert`);
  output.line(`${key}  its key: --tls-key`);
  output.line(
    `Start each with --tls-cert ${cert} --tls-key ${key} --tls-ca ${folder.authorityFile}; running ones take new files by themselves.`,
  );
}

async function client(
  folder: CertificateFolder,
  user: string,
  values: Values,
  output: Output,
): Promise<void> {
  checkName(user, NAME, 'a user name');
  if (RESERVED.has(user)) throw unusable(user, 'a user name');
  const name = `client.${user}`;
  await make(folder, name, { commonName: user, hosts: [] }, values);
  const { cert, key } = folder.files(name);
  output.line(`${cert}  for ${user}: --tls-cert (redis-cli: --cert)`);
  output.line(`${key}  its key: --tls-key (redis-cli: --key)`);
}

async function make(
  folder: CertificateFolder,
  name: string,
  what: { readonly commonName: string; readonly hosts: readonly string[] },
  { days, renew }: Values,
): Promise<void> {
  if (folder.has(name) && !renew) throw alreadyThere(folder.files(name).cert);
  const authority = folder.authority();
  const { issue } = await import('../../certs/issue.ts');
  folder.write(name, await issue(authority, { ...what, days: days || CERTIFICATE_DAYS }));
}

function checkName(name: string, pattern: RegExp, what: string): void {
  if (!pattern.test(name)) throw unusable(name, what);
}

function unusable(name: string, what: string): SteleError {
  return new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(name)}' cannot be ${what} here; use another.`,
  );
}

function alreadyThere(path: string): SteleError {
  return new SteleError(
    'INVALID_ARGUMENT',
    `${path} is there already; replace it with --renew, or use another folder with --dir.`,
  );
}
