// The output of `stele up`: results on stdout (one line per process, what was loaded, `ready`), trouble on
// stderr.

import type { NodeAddress } from '../../proto/gen/stele/v1/view.ts';
import { formatDuration } from '../../base/units.ts';
import type { Output } from '../output.ts';
import { addressLine } from '../run-role.ts';
import { hostAndPort } from '../../base/address.ts';
import type { TlsSource } from '../../transport/tls/tls-files.ts';
import type { ClusterEvents } from './cluster-processes.ts';
import { addressesOf } from './plan.ts';

/** Writes a line for each event of a process. */
export function announcer(output: Output): ClusterEvents {
  return {
    listening: (title, pid, address) => output.line(addressLine(title, pid, address)),
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

/** What a user at a terminal can try first. */
export function hints(
  masters: readonly NodeAddress[],
  keyspace: string | undefined,
  tls: TlsSource | undefined,
): string[] {
  const known = keyspace ?? 'KEYSPACE';
  const [master] = masters;
  if (master === undefined) return [];
  const { host, httpPort, respPort, grpcPort } = master;
  const port = respPort === 7379 ? '' : ` -p ${respPort}`;
  const isDefault = grpcPort === 8400 && masters.length === 1;
  const ca = tls?.ca === undefined ? '' : ` --tls-ca ${String(tls.ca)}`;
  const address = `${isDefault ? '' : ` --master ${addressesOf(masters)}`}${ca}`;
  const scheme = tls === undefined ? 'http' : 'https';
  const cacert = tls?.ca === undefined ? '' : ` --cacert ${String(tls.ca)}`;
  return [
    '',
    'Try in another terminal:',
    `  stele cli${port}${ca} -k ${known}`,
    `  redis-cli -p ${respPort}${tls === undefined ? '' : ' --tls'}${cacert}`,
    `  curl${cacert} ${scheme}://${hostAndPort(host, httpPort)}/v1/keyspaces`,
    `  stele load my-keyspace FILE${address}`,
    `  stele status${address}`,
    'Ctrl-C stops the cluster; its data stays.',
    '',
  ];
}
