// A client of etcd from the settings of a process.

import { readFileSync } from 'node:fs';
import { addressList } from '../../../base/address.ts';
import { SteleError, systemErrorCode } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { EtcdClient } from './etcd-client.ts';

export interface EtcdSettings {
  readonly etcdEndpoints: string;
  readonly etcdPrefix: string;
  readonly etcdCa: string;
  readonly etcdCert: string;
  readonly etcdKey: string;
  readonly etcdUser: string;
  readonly etcdPasswordFile: string;
}

/**
 * Throws INVALID_ARGUMENT for settings that do not go together, and for files that cannot be read.
 */
export function connectEtcd(settings: EtcdSettings, log: Logger): EtcdClient {
  const { etcdCa, etcdCert, etcdEndpoints, etcdKey, etcdPasswordFile, etcdPrefix, etcdUser } =
    settings;
  if (!/^\/.+\/$/.test(etcdPrefix)) {
    throw invalid(
      `--etcd-prefix '${etcdPrefix}' must begin and end with a slash and have something in between, as in /stele/default/.`,
    );
  }
  if ((etcdCert === '') !== (etcdKey === '')) {
    throw invalid('--etcd-cert and --etcd-key belong together; give both, or none.');
  }
  if ((etcdUser === '') !== (etcdPasswordFile === '')) {
    throw invalid('--etcd-user and --etcd-password-file belong together; give both, or none.');
  }
  const isSecure = etcdCa !== '' || etcdCert !== '';
  // Read for the error; the client reads them again when they are replaced.
  const fileOf = (path: string, name: string) => {
    if (path === '') return {};
    readFlagFile(path, `--etcd-${name}`);
    return { [name]: path };
  };
  return new EtcdClient({
    endpoints: addressList(etcdEndpoints),
    log,
    ...(isSecure
      ? { tls: { ...fileOf(etcdCa, 'ca'), ...fileOf(etcdCert, 'cert'), ...fileOf(etcdKey, 'key') } }
      : {}),
    ...(etcdUser === ''
      ? {}
      : {
          user: etcdUser,
          password: readFlagFile(etcdPasswordFile, '--etcd-password-file').toString().trimEnd(),
        }),
  });
}

function readFlagFile(path: string, flag: string): Buffer {
  try {
    return readFileSync(path);
  } catch (thrown) {
    const reason = systemErrorCode(thrown) === 'ENOENT' ? 'there is no such file' : String(thrown);
    throw invalid(`${flag} ${path} cannot be read: ${reason}.`);
  }
}

function invalid(text: string): SteleError {
  return new SteleError('INVALID_ARGUMENT', text);
}
