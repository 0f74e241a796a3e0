// Where a catalog is: `dir:PATH`, the data folder of a master that is the only one, or
// `etcd://HOST:PORT[,HOST:PORT]/PREFIX/`, shared by several masters.

import { addressList } from '../../../base/address.ts';
import { SteleError } from '../../../base/errors.ts';
import { shorten } from '../../../base/ids.ts';
import type { Logger } from '../../../base/log.ts';
import { connectEtcd } from '../etcd/connect.ts';
import type { EtcdSettings } from '../etcd/connect.ts';
import type { EtcdClient } from '../etcd/etcd-client.ts';
import { EtcdPlace } from './etcd-place.ts';
import { FolderPlace } from './folder-place.ts';
import type { Place } from './place.ts';

/** Credentials and certificates for etcd. */
export type EtcdAccess = Omit<EtcdSettings, 'etcdEndpoints' | 'etcdPrefix'>;

type PlaceAddress =
  | { readonly kind: 'dir'; readonly folder: string }
  | { readonly kind: 'etcd'; readonly endpoints: string; readonly prefix: string };

/** Throws INVALID_ARGUMENT. */
export function parsePlace(text: string): PlaceAddress {
  if (/^dir:./.test(text)) return { kind: 'dir', folder: text.slice('dir:'.length) };
  const [, endpoints = '', prefix = ''] = /^etcd:\/\/([^/]+)(\/.+\/)$/.exec(text) ?? [];
  if (prefix === '') {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `'${shorten(text)}' is no place of a catalog; write dir:PATH or etcd://HOST:PORT[,HOST:PORT]/PREFIX/, as in dir:.stele/master or etcd://127.0.0.1:2379/stele/default/.`,
    );
  }
  addressList(endpoints);
  return { kind: 'etcd', endpoints, prefix };
}

/** Throws INVALID_ARGUMENT. */
export function openPlace(text: string, access: EtcdAccess, log: Logger): Place {
  const address = parsePlace(text);
  if (address.kind === 'dir') return new FolderPlace(address.folder);
  const { endpoints: etcdEndpoints, prefix: etcdPrefix } = address;
  const api: EtcdClient = connectEtcd({ ...access, etcdEndpoints, etcdPrefix }, log);
  return new EtcdPlace(text, api, etcdPrefix, log);
}
