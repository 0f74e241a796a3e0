// Reads a part of a file.

import type { OpenFile } from '../../base/disk/files.ts';
import { SteleError } from '../../base/errors.ts';

/** The `length` bytes from `position`. Throws CORRUPT if the file ends before, and the system's errors. */
export async function readBytes(file: OpenFile, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) {
      throw new SteleError('CORRUPT', `The file ends at byte ${position + done}.`);
    }
    done += bytesRead;
  }
  return bytes;
}
