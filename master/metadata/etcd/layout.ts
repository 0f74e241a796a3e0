// The keys that the masters of a cluster share in etcd, all below one prefix:
//
//   leader             who leads; goes with the leader's lease (election.ts)
//   master/<id>        a master that runs; goes with its lease
//   marker             the last transaction of the catalog (etcd-metadata.ts)
//   journal            a transaction that is too large for one of etcd, while it is applied
//   catalog/<key>      an entry of the catalog
//   piece/<hash>       a piece of a large value, by the SHA-256 of its content; immutable
//
// The value of an entry and of the journal is `=` and its text or, above a limit, `#` and the
// hashes of the pieces of its text, which is compressed (raw deflate). etcd refuses requests of
// more than 1.5 MiB and 128 operations.

import { createHash } from 'node:crypto';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { SteleError } from '../../../base/errors.ts';

const HASH_CHARACTERS = 64;

export interface EtcdLimits {
  /** Of a value that is stored with its entry. */
  readonly inlineBytes: number;
  readonly pieceBytes: number;
  /** Of ours in one transaction of etcd. */
  readonly operations: number;
}

/** A transaction of that many values of `inlineBytes` fits into a request. */
const LIMITS: EtcdLimits = {
  inlineBytes: 16 * 1024,
  pieceBytes: 256 * 1024,
  operations: 60,
};

export class EtcdLayout {
  readonly prefix: string;
  readonly leader: string;
  readonly marker: string;
  readonly journal: string;
  readonly masters: string;
  readonly catalog: string;
  readonly pieces: string;
  readonly limits: EtcdLimits;

  /** `prefix` ends with a slash. */
  constructor(prefix: string, limits = LIMITS) {
    this.prefix = prefix;
    this.limits = limits;
    this.leader = `${prefix}leader`;
    this.marker = `${prefix}marker`;
    this.journal = `${prefix}journal`;
    this.masters = `${prefix}master/`;
    this.catalog = `${prefix}catalog/`;
    this.pieces = `${prefix}piece/`;
  }

  storeValue(value: string): StoredValue {
    const { inlineBytes, pieceBytes } = this.limits;
    if (value.length <= inlineBytes && Buffer.byteLength(value) <= inlineBytes) {
      return { text: `=${value}`, pieces: new Map() };
    }
    const bytes = deflateRawSync(value, { level: constants.Z_BEST_SPEED });
    const pieces = new Map<string, Buffer>();
    let text = '#';
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      const piece = bytes.subarray(at, at + pieceBytes);
      const hash = createHash('sha256').update(piece).digest('hex');
      pieces.set(hash, piece);
      text += hash;
    }
    return { text, pieces };
  }
}

/** The exclusive end of all keys that begin with `prefix`. */
export function endOf(prefix: string): string {
  const last = prefix.length - 1;
  return prefix.slice(0, last) + String.fromCodePoint((prefix.codePointAt(last) ?? 0) + 1);
}

/** A value as it is stored, and the pieces that must be there before it. */
export interface StoredValue {
  readonly text: string;
  readonly pieces: ReadonlyMap<string, Buffer>;
}

/** The hashes of the pieces of a stored value, in order; none for a value that is inline. */
export function piecesOf(text: string): string[] {
  if (!text.startsWith('#')) return [];
  const hashes: string[] = [];
  for (let at = 1; at < text.length; at += HASH_CHARACTERS) {
    hashes.push(text.slice(at, at + HASH_CHARACTERS));
  }
  return hashes;
}

/** The value of `key`. Throws CORRUPT if a piece is missing, or is not what its name says. */
export function loadValue(
  key: string,
  text: string,
  pieceOf: (hash: string) => Buffer | undefined,
): string {
  if (text.startsWith('=')) return text.slice(1);
  if (!text.startsWith('#')) throw damaged(key, 'it was not written by Stele');
  const found = piecesOf(text).map((hash) => {
    const piece = pieceOf(hash);
    if (piece === undefined) throw damaged(key, `its piece ${hash} is missing`);
    if (createHash('sha256').update(piece).digest('hex') !== hash) {
      throw damaged(key, `its piece ${hash} has another content`);
    }
    return piece;
  });
  return inflateRawSync(Buffer.concat(found)).toString();
}

function damaged(key: string, reason: string): SteleError {
  return new SteleError(
    'CORRUPT',
    `The catalog's key ${key} in etcd is damaged: ${reason}. Nothing was changed; restore etcd from a backup, as docs/operations.md says.`,
  );
}
