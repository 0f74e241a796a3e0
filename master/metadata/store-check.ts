// Checks whether an lmdb data file can be opened safely.
//
// lmdb maps its file into memory and trusts it: a truncated file kills the whole process with
// SIGBUS at the first missing page, before any message can be written. So its two meta pages are
// read here in the ordinary way, and the file must be as long as the newer of them requires.
//
//   meta page (of lmdb 0.9 with the page header of lmdb-js), little endian:
//   +24 magic 0xBEEFC0DE u32 | +48 page size u32 | +144 last page number u64 | +152 transaction u64

import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';

const MAGIC = 0xbe_ef_c0_de;
const META_BYTES = 160;
const PAGE_BYTES_MIN = 256;
const PAGE_BYTES_MAX = 65_536;

export type StoreCondition =
  | { readonly kind: 'absent' }
  | { readonly kind: 'sound' }
  | { readonly kind: 'damaged'; readonly reason: string };

/** Checks `folder`/data.mdb. Reads at most two page heads and changes nothing. */
export function checkStore(folder: string): StoreCondition {
  const path = join(folder, 'data.mdb');
  if (!existsSync(path)) return { kind: 'absent' };
  const file = openSync(path, 'r');
  try {
    const reason = findDamage(file, fstatSync(file).size);
    return reason === undefined ? { kind: 'sound' } : { kind: 'damaged', reason };
  } finally {
    closeSync(file);
  }
}

function findDamage(file: number, fileBytes: number): string | undefined {
  const first = readMeta(file, 0);
  if (first === undefined) return 'its head is not that of a metadata store';
  const second = readMeta(file, first.pageBytes);
  if (second === undefined) return 'its second head is missing or overwritten';
  const newest = second.transaction > first.transaction ? second : first;
  const wantedBytes = (newest.lastPage + 1) * first.pageBytes;
  if (fileBytes >= wantedBytes) return undefined;
  return `it has ${fileBytes} of at least ${wantedBytes} bytes`;
}

interface Meta {
  readonly pageBytes: number;
  readonly lastPage: number;
  readonly transaction: number;
}

function readMeta(file: number, position: number): Meta | undefined {
  const bytes = Buffer.alloc(META_BYTES);
  if (readSync(file, bytes, 0, META_BYTES, position) < META_BYTES) return undefined;
  const pageBytes = bytes.readUInt32LE(48);
  if (bytes.readUInt32LE(24) !== MAGIC) return undefined;
  if (pageBytes < PAGE_BYTES_MIN || pageBytes > PAGE_BYTES_MAX) return undefined;
  return {
    pageBytes,
    lastPage: Number(bytes.readBigUInt64LE(144)),
    transaction: Number(bytes.readBigUInt64LE(152)),
  };
}
