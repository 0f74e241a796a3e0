// A file of another machine, which is read by ranges: over HTTP, or of an object store.
//
// Its identity (size, and the ETag or time that the server tells) stands for its content: a read of
// other content than was opened fails with INPUT_CHANGED, so that no file is put together of two.

import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';

export interface RemoteFile {
  /** Without credentials and query. */
  readonly url: string;
  readonly sizeBytes: number;
  /**
   * '' if the server tells nothing by which a change would be noticed; then it is read as a stream.
   */
  readonly identity: string;
  /** Unix time in ms; 0 if it is not known. */
  readonly modifiedMs: number;
  /** Fills `into` with the bytes from `start` on, repeating what fails. Throws INPUT_CHANGED. */
  read(into: Uint8Array, start: number, signal: AbortSignal): Promise<void>;
  /** All bytes from the start, once. */
  stream(signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Throws INPUT_CHANGED if it is not what it was when it was opened. */
  check(): Promise<void>;
  close(): void;
}

/** Whether a path names a file of another machine. */
export function isRemote(path: string): boolean {
  return /^(?:https?|s3):\/\//i.test(path);
}

/** The URL without what may be secret: user, password, signature. */
export function shownUrl(text: string): string {
  if (!URL.canParse(text)) return text.replace(/[?#].*$/s, '').replace(/\/\/[^/]*@/, '//');
  const url = new URL(text);
  return `${url.protocol}//${url.host}${url.pathname}`;
}

export function remoteChanged(url: string): SteleError {
  return new SteleError(
    'INPUT_CHANGED',
    `'${shorten(url, 200)}' changed while it was being loaded, so nothing was committed; load it again when it is complete.`,
  );
}
