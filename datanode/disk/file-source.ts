// Reads blocks by asynchronous reads of the environment's files: in a simulation, and where the
// sources run without a build. Slower than the threads (thread-source.ts), which are for everything else.

import type { Time } from '../../base/clock.ts';
import type { Files, OpenFile } from '../../base/disk/files.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { crcsOf } from '../../segment/resident.ts';
import { READ_MS_MAX } from './block-source.ts';
import type { BlockFile, BlockReceiver, BlockSource } from './block-source.ts';

class PlainFile implements BlockFile {
  readonly path: string;
  readonly handle: OpenFile;
  isClosed = false;
  #users = 0;

  constructor(path: string, handle: OpenFile) {
    this.path = path;
    this.handle = handle;
  }

  use(): void {
    this.#users++;
  }

  unuse(): void {
    this.#users--;
    this.#closeIfUnused();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#closeIfUnused();
  }

  #closeIfUnused(): void {
    if (this.isClosed && this.#users === 0) void this.handle.close().catch(() => undefined);
  }
}

export class FileSource implements BlockSource {
  readonly #env: Time & { readonly files: Files };

  constructor(env: Time & { readonly files: Files }) {
    this.#env = env;
  }

  async open(path: string): Promise<BlockFile> {
    return new PlainFile(path, await this.#env.files.open(path, 'r'));
  }

  read(
    file: BlockFile,
    position: number,
    length: number,
    blockBytes: number,
    receiver: BlockReceiver,
  ): void {
    const plain = file as PlainFile;
    let isOver = false;
    const fail = (error: SteleError): void => {
      if (isOver) return;
      isOver = true;
      receiver.onReadFailed(error);
    };
    const cancel = this.#env.after(READ_MS_MAX, () => {
      fail(
        new SteleError(
          'DEADLINE_EXCEEDED',
          `A read of ${file.path} took longer than ${READ_MS_MAX} ms.`,
        ),
      );
    });
    plain.use();
    readFully(plain.handle, position, length)
      .then((bytes) => {
        if (isOver) return;
        isOver = true;
        receiver.onBlocks(bytes, 0, crcsOf(bytes, blockBytes), 0);
      })
      .catch((thrown: unknown) => fail(toSteleError(thrown, 'IO')))
      .finally(() => {
        cancel();
        plain.unuse();
      });
  }

  async close(): Promise<void> {
    // Files are closed by those who opened them.
  }
}

async function readFully(handle: OpenFile, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await handle.read(bytes, done, length - done, position + done);
    if (bytesRead === 0)
      throw new SteleError('CORRUPT', `The file ends at byte ${position + done}.`);
    done += bytesRead;
  }
  return bytes;
}
