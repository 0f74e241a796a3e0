// The footer of a Parquet file: its schema, and where the columns of each row group are.

import { closeSync, openSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { parquetMetadata } from 'hyparquet';
import type { ColumnChunk, FileMetaData } from 'hyparquet';
import { SteleError } from '../../../base/errors.ts';
import { formatBytes } from '../../../base/units.ts';
import { readFully } from '../../bytes/file-window.ts';
import { nameOf } from '../../input/inputs.ts';

const MAGIC = 'PAR1';
const ENCRYPTED_MAGIC = 'PARE';
/** Length of the footer, and the magic. */
const TAIL_BYTES = 8;
/** More is damaged, or a file that no loader can plan. */
const FOOTER_BYTES_MAX = 256 * 1024 * 1024;

export interface Footer {
  readonly metadata: FileMetaData;
  readonly crc: number;
}

/**
 * Throws INPUT_INVALID for a file that is cut short or damaged, UNSUPPORTED for an encrypted one.
 */
export function readFooter(readPath: string, path: string, sizeBytes: number): Footer {
  const name = nameOf({ path });
  const file = openSync(readPath, 'r');
  try {
    const tail = readAt(file, Math.max(0, sizeBytes - TAIL_BYTES), TAIL_BYTES);
    const magic = tail.toString('latin1', 4);
    if (magic === ENCRYPTED_MAGIC) throw encrypted(name);
    if (tail.length < TAIL_BYTES || magic !== MAGIC) {
      throw new SteleError(
        'INPUT_INVALID',
        `${name} does not end with ${MAGIC}, as a Parquet file does: it was cut short while it was written or copied; copy or write it again.`,
      );
    }
    const footerBytes = tail.readUInt32LE(0);
    const start = sizeBytes - TAIL_BYTES - footerBytes;
    if (start < MAGIC.length || footerBytes > FOOTER_BYTES_MAX) {
      throw damaged(name, `its footer of ${formatBytes(footerBytes)} cannot be one`);
    }
    const footer = readAt(file, start, footerBytes + TAIL_BYTES);
    return { metadata: parsed(footer, name), crc: crc32(footer) };
  } finally {
    closeSync(file);
  }
}

/**
 * Where the footer is, by the last bytes of the file; all that there can be if they are damaged.
 */
export function footerRange(readPath: string, sizeBytes: number): [start: number, end: number] {
  const file = openSync(readPath, 'r');
  try {
    const tail = readAt(file, Math.max(0, sizeBytes - TAIL_BYTES), TAIL_BYTES);
    const footerBytes = tail.length < TAIL_BYTES ? 0 : tail.readUInt32LE(0);
    return [
      Math.max(0, sizeBytes - TAIL_BYTES - Math.min(footerBytes, FOOTER_BYTES_MAX)),
      sizeBytes,
    ];
  } finally {
    closeSync(file);
  }
}

function readAt(file: number, start: number, byteCount: number): Buffer {
  const bytes = Buffer.allocUnsafe(byteCount);
  return bytes.subarray(0, readFully(file, bytes, byteCount, start));
}

function parsed(footer: Buffer, name: string): FileMetaData {
  try {
    return parquetMetadata(footer, { geoparquet: false });
  } catch (thrown) {
    throw damaged(name, `its footer cannot be read (${messageOf(thrown)})`);
  }
}

export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** INPUT_INVALID; `what` is a clause about the file. */
export function damaged(name: string, what: string): SteleError {
  return new SteleError('INPUT_INVALID', `${name} is damaged: ${what}; copy or write it again.`);
}

function encrypted(name: string): SteleError {
  return new SteleError(
    'UNSUPPORTED',
    `${name} is encrypted, which is not read; write it without encryption.`,
  );
}

/** The bytes of a column in a row group. Throws INPUT_INVALID, UNSUPPORTED. */
export function columnRange(
  { crypto_metadata: crypto, file_path: otherFile, meta_data: meta }: ColumnChunk,
  sizeBytes: number,
  name: string,
): { readonly start: number; readonly end: number } {
  if (crypto !== undefined || meta === undefined) throw encrypted(name);
  if (otherFile) {
    const text = `${name} has its columns in other files ('${otherFile}'), which is not read; load those files.`;
    throw new SteleError('UNSUPPORTED', text);
  }
  const dataAt = Number(meta.data_page_offset);
  const dictionaryAt = Number(meta.dictionary_page_offset ?? 0n);
  const start = dictionaryAt > 0 ? Math.min(dictionaryAt, dataAt) : dataAt;
  const end = start + Number(meta.total_compressed_size);
  if (start < MAGIC.length || !(end >= start) || end > sizeBytes) {
    throw damaged(name, `a column lies at bytes ${start} to ${end}, and the file has ${sizeBytes}`);
  }
  return { start, end };
}
