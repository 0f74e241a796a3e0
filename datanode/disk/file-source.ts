// Reads blocks by asynchronous reads of the environment's files: in a simulation, and where the
// sources run without a build. Slower than the threads (thread-source.ts), which are for everything else.

import type { Time } from '../../base/clock.ts';
import type { Files, OpenFile } from '../../base/disk/files.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { crcsOf } from '../../segment/resident.ts';
import { READ_MS_MAX } from './block-source.ts';
import { CountedFile } from './counted-file.ts';
import { readBytes } from './read-bytes.ts';
import type { BlockFile, BlockReceiver, BlockSource } from './block-source.ts';

type PlainFile = CountedFile<OpenFile>;

export class FileSource implements BlockSource {
  readonly #env: Time & { readonly files: Files };

  constructor(env: Time & { readonly files: Files }) {
    this.#env = env;
  }

  /** Each read has its own buffer, for a moment. */
  readonly bufferBytes = 0;

  async open(path: string): Promise<BlockFile> {
    return new CountedFile(path, await this.#env.files.open(path, 'r'));
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
    readBytes(plain.handle, position, length)
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
