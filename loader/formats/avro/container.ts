// Avro object container files
// (https://avro.apache.org/docs/1.12.0/specification/#object-container-files):
//
//     Obj 1 | metadata: avro.schema, avro.codec ... | sync (16 bytes)
//     | rows | bytes | data ... | sync |  | rows | bytes | data ... | sync | ...
//
// Each block has the marker of its file at its end, so that a damaged one is noticed.

import { closeSync, openSync } from 'node:fs';
import { SteleError } from '../../../base/errors.ts';
import { shorten } from '../../../base/ids.ts';
import { FileWindow, readFully } from '../../bytes/file-window.ts';
import { newAvroReader, readCount, readSpan } from './reader.ts';

const MAGIC_BYTES = 4;
const SYNC_BYTES = 16;
const HEADER_BYTES = 64 * 1024;
/** A longer schema is hardly one. */
const HEADER_BYTES_MAX = 64 * 1024 * 1024;
const WINDOW_BYTES = 256 * 1024;
/** Bytes of a number. */
const NUMBER_BYTES_MAX = 10;

const CODECS = ['null', 'deflate', 'snappy', 'zstandard'] as const;
export type AvroCodec = (typeof CODECS)[number];

export interface ContainerHeader {
  readonly schema: string;
  readonly codec: AvroCodec;
  readonly sync: Buffer;
  /** Offset of the first block. */
  readonly dataStart: number;
}

/**
 * Throws INPUT_INVALID for a damaged header, UNSUPPORTED for an unknown codec. `name` is for
 * messages.
 */
export function readHeader(readPath: string, sizeBytes: number, name: string): ContainerHeader {
  const file = openSync(readPath, 'r');
  try {
    for (let size = HEADER_BYTES; ; size *= 8) {
      const bytes = Buffer.allocUnsafe(Math.min(size, sizeBytes));
      const got = bytes.subarray(0, readFully(file, bytes, bytes.length, 0));
      try {
        return headerIn(got, name);
      } catch (thrown) {
        if (thrown instanceof SteleError) throw thrown;
        if (bytes.length === sizeBytes || size >= HEADER_BYTES_MAX) {
          throw damaged(name, 'its header is cut short');
        }
      }
    }
  } finally {
    closeSync(file);
  }
}

function headerIn(bytes: Buffer, name: string): ContainerHeader {
  const reader = newAvroReader(bytes, MAGIC_BYTES);
  const metadata = new Map<string, Buffer>();
  for (let count = readCount(reader); count !== 0; count = readCount(reader)) {
    if (count < 0) readCount(reader);
    for (let left = Math.abs(count); left > 0; left--) {
      const key = readSpan(reader).toString('utf8');
      metadata.set(key, readSpan(reader));
    }
  }
  const dataStart = reader.at + SYNC_BYTES;
  if (dataStart > bytes.length) throw new Error('more bytes are needed');
  const schema = metadata.get('avro.schema')?.toString('utf8');
  if (schema === undefined) throw damaged(name, 'its header has no schema');
  const codec = metadata.get('avro.codec')?.toString('utf8') ?? 'null';
  const known = CODECS.find((one) => one === codec);
  if (known === undefined) {
    throw new SteleError(
      'UNSUPPORTED',
      `${name} is compressed with ${shorten(codec)}, which is not read; write it with ${CODECS.slice(1).join(', ')} or without compression.`,
    );
  }
  return { schema, codec: known, sync: bytes.subarray(reader.at, dataStart), dataStart };
}

export interface Block {
  readonly rows: number;
  /** Offsets: of the whole block, and of its data. */
  readonly start: number;
  readonly end: number;
  readonly dataStart: number;
  readonly dataEnd: number;
}

/** The blocks of a file; only their ends are read. Throws INPUT_INVALID for a damaged one. */
export function* blocksOfFile(
  readPath: string,
  sizeBytes: number,
  header: ContainerHeader,
  name: string,
): Generator<Block, void, undefined> {
  const file = openSync(readPath, 'r');
  try {
    const window = new FileWindow(file, sizeBytes, WINDOW_BYTES);
    const head = Buffer.alloc(2 * NUMBER_BYTES_MAX);
    for (let start = header.dataStart; start < sizeBytes;) {
      const headBytes = Math.min(head.length, sizeBytes - start);
      for (let at = 0; at < headBytes; at++) head[at] = window.byteAt(start + at);
      const block = blockAt(head.subarray(0, headBytes), start, name);
      if (block.end > sizeBytes) throw cutShort(name, start);
      for (let at = 0; at < SYNC_BYTES; at++) {
        if (window.byteAt(block.dataEnd + at) !== header.sync[at]) throw noSync(name, start);
      }
      yield block;
      start = block.end;
    }
  } finally {
    closeSync(file);
  }
}

/** The block that begins with `head`, at `start` of its file. */
export function blockAt(head: Buffer, start: number, name: string): Block {
  const reader = newAvroReader(head);
  let rows = 0;
  let byteCount = 0;
  try {
    rows = readCount(reader);
    byteCount = readCount(reader);
  } catch {
    throw cutShort(name, start);
  }
  if (rows < 0 || byteCount < 0) throw noSync(name, start);
  const dataStart = start + reader.at;
  const dataEnd = dataStart + byteCount;
  return { rows, start, end: dataEnd + SYNC_BYTES, dataStart, dataEnd };
}

function cutShort(name: string, start: number): SteleError {
  return new SteleError(
    'INPUT_INVALID',
    `${name} is cut short in its last block, at byte ${start}; copy or write it again.`,
  );
}

function noSync(name: string, start: number): SteleError {
  return damaged(name, `the block at byte ${start} does not end with the marker of its file`);
}

/** INPUT_INVALID; `what` is a clause about the file. */
export function damaged(name: string, what: string): SteleError {
  return new SteleError('INPUT_INVALID', `${name} is damaged: ${what}; copy or write it again.`);
}
