// The output of `stele up`: results on stdout (one line per process, what was loaded, `ready`),
// trouble on stderr.

import type { NodeAddress } from '../../proto/gen/stele/v1/view.ts';
import { formatDuration } from '../../base/units.ts';
import type { Output } from '../output.ts';
import { addressLine } from '../run-role.ts';
import { hostAndPort, reachedHere } from '../../base/address.ts';
import type { ClusterEvents } from './cluster-processes.ts';
import { addressesOf } from './plan.ts';
import type { UpSecurity } from './security.ts';

const HOST_DEFAULT = '127.0.0.1';

/** Writes a line for each event of a process. `scheme` is that of members of etcd. */
export function announcer(output: Output, scheme: 'http' | 'https'): ClusterEvents {
  return {
    listening: (title, pid, address) => output.line(addressLine(title, pid, address, scheme)),
    ended: (title, pid, how, restartMs) => {
      const next =
        restartMs === undefined
          ? 'it stays down (--no-restart)'
          : `starting it again in ${formatDuration(restartMs)}`;
      output.errorLine(`stele: ${title} (pid ${pid}) ended (${how}); ${next}.`);
    },
    leftOut: (sentence, isRetried) => {
      const next = isRetried ? 'it is tried again and again' : 'it stays down (--no-restart)';
      output.errorLine(`stele: ${sentence} THE CLUSTER STARTS WITHOUT IT; ${next}.`);
    },
    notRestarted: (sentence) => output.errorLine(`stele: ${sentence}`),
  };
}

/** What to try first. */
export interface FirstSteps {
  readonly masters: readonly NodeAddress[];
  /** A keyspace that was loaded. */
  readonly keyspace: string | undefined;
  readonly security: Pick<UpSecurity, 'tls' | 'adminPasswordFile'>;
}

/** What a user at a terminal can try first. */
export function hints({ keyspace, masters, security }: FirstSteps): string[] {
  const [master] = masters;
  if (master === undefined) return [];
  const { httpPort, respPort } = master;
  const host = reachedHere(master.host);
  const { adminPasswordFile, tls } = security;
  const scheme = tls === undefined ? 'http' : 'https';
  const cacert = tls?.ca === undefined ? '' : ` --cacert ${quoted(String(tls.ca))}`;
  const login = adminPasswordFile === undefined ? '' : ' --user admin --askpass';
  const basic = adminPasswordFile === undefined ? '' : ' -u admin';
  const [status, load, cli] = commands({ masters, security, keyspace: keyspace ?? 'KEYSPACE' });
  return [
    '',
    'Try in another terminal:',
    `  ${cli}`,
    `  redis-cli${hostFlag(host)} -p ${respPort}${tls === undefined ? '' : ' --tls'}${cacert}${login}`,
    `  curl${cacert}${basic} ${scheme}://${hostAndPort(host, httpPort)}/v1/keyspaces`,
    `  ${load}`,
    `  ${status}`,
    'Ctrl-C stops the cluster; its data stays.',
    '',
  ];
}

/** How to go on with a cluster that asks who is there, whatever reads the output. */
export function securedSteps(steps: FirstSteps): string[] {
  const { adminPasswordFile = '' } = steps.security;
  return [
    `The user admin has its password in ${adminPasswordFile}. Go on with:`,
    ...commands(steps).map((command) => `  ${command}`),
  ];
}

/** `stele status`, `stele load` and `stele cli`, with the flags that they need. */
function commands({ keyspace, masters, security }: FirstSteps): [string, string, string] {
  const [master] = masters;
  const { adminPasswordFile, tls } = security;
  const ca = tls?.ca === undefined ? '' : ` --tls-ca ${quoted(String(tls.ca))}`;
  const login =
    adminPasswordFile === undefined
      ? ''
      : ` --user admin --password-file ${quoted(adminPasswordFile)}`;
  const host = reachedHere(master?.host ?? HOST_DEFAULT);
  const isDefault = master?.grpcPort === 8400 && host === HOST_DEFAULT && masters.length === 1;
  const address = isDefault ? '' : ` --master ${addressesOf(masters)}`;
  const port = master?.respPort === 7379 ? '' : ` -p ${master?.respPort}`;
  const from = keyspace === undefined ? '' : ` -k ${keyspace}`;
  return [
    `stele status${address}${ca}${login}`,
    `stele load my-keyspace FILE${address}${ca}${login}`,
    `stele cli${hostFlag(host)}${port}${ca}${login}${from}`,
  ];
}

function hostFlag(host: string): string {
  return host === HOST_DEFAULT ? '' : ` -h ${host}`;
}

/** As a word of a shell. */
function quoted(path: string): string {
  return /^[\w./@:+-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}
