// An ObjectStore in a bucket of S3 or of a store that speaks its protocol. The entry of
// archive/s3/, loaded only for s3:// URLs (open-store.ts).
//
// An upload whose answer was lost may have been carried out. Content-named objects are simply
// written again. With `ifAbsent` the repeated request finds the name taken, perhaps by itself, so
// the object is read back and compared.

import { createHash } from 'node:crypto';
import { sleep } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import { checkObjectName, checkPrefix } from '../object-name.ts';
import type {
  ObjectBody,
  ObjectStore,
  PutOptions,
  ReadOptions,
  StoreCallOptions,
  StoredObject,
} from '../object-store.ts';
import { abortLeftovers, putInParts } from './multipart.ts';
import type { MultipartResult } from './multipart.ts';
import type { ProgressTimer } from '../../base/progress-timer.ts';
import { bodyOf, S3Client } from './s3-client.ts';
import type { S3Options } from './s3-options.ts';
import { elementsIn, escapeXml, textIn } from './xml.ts';

const DELETED_AT_ONCE_MAX = 1000;
/** Attempts at a write that other writers keep disturbing (409). */
const RACES_MAX = 6;
const COMPARED_BYTES = 8 * 1024 * 1024;

export class S3Store implements ObjectStore {
  readonly url: string;
  readonly #options: S3Options;
  readonly #client: S3Client;
  #tidied: Promise<void> | undefined;

  constructor(options: S3Options) {
    this.url = options.url;
    this.#options = options;
    this.#client = new S3Client(options);
  }

  async put(name: string, body: ObjectBody, options: PutOptions = {}): Promise<void> {
    checkObjectName(name);
    // An attempt whose answer was lost may have been carried out, also before a race.
    let mayBeOurs = false;
    for (let race = 1; ; race++) {
      const { end, isRepeated } = await this.#putOnce(name, body, options);
      mayBeOurs ||= isRepeated;
      if (end === 'done') return;
      if (end === 'taken') {
        if (mayBeOurs && (await this.#isThere(name, body, options))) return;
        if (options.ifAbsent === true) {
          throw new SteleError('CONFLICT', `${this.url}: '${name}' is there already.`);
        }
      }
      if (race === RACES_MAX) {
        const text = `${this.url}: '${name}' is written by others all the time; run it again.`;
        throw new SteleError('UNAVAILABLE', text);
      }
      const { backoffMs, random, time } = this.#options;
      await sleep(random() * backoffMs * 2 ** race, options.signal, time);
    }
  }

  async #putOnce(name: string, body: ObjectBody, options: PutOptions): Promise<MultipartResult> {
    const { partBytes, prefix } = this.#options;
    const ifAbsent = options.ifAbsent === true;
    if (body.byteCount > partBytes) {
      this.#tidied ??= abortLeftovers(this.#client, prefix, options);
      await this.#tidied;
      return await putInParts(this.#client, name, body, { ...options, partBytes, ifAbsent });
    }
    const { isRepeated, status } = await this.#client.text(
      {
        method: 'PUT',
        right: 's3:PutObject',
        name,
        headers: ifAbsent ? { 'if-none-match': '*' } : {},
        body: await body.read(0, body.byteCount),
        accepts: ifAbsent ? [409, 412] : [],
      },
      options,
    );
    if (status === 412) return { end: 'taken', isRepeated };
    return { end: status === 409 ? 'raced' : 'done', isRepeated };
  }

  /** Whether the object is there with these bytes. */
  async #isThere(name: string, body: ObjectBody, options: StoreCallOptions): Promise<boolean> {
    const found = await this.stat(name, options);
    if (found?.byteCount !== body.byteCount) return false;
    for (let start = 0; start < body.byteCount; start += COMPARED_BYTES) {
      const end = Math.min(body.byteCount, start + COMPARED_BYTES);
      const stored = Buffer.allocUnsafe(end - start);
      await this.read(name, stored, start, options);
      if (!stored.equals(await body.read(start, end))) return false;
    }
    return true;
  }

  /** A read that breaks off goes on where it was, in the same object. */
  async read(
    name: string,
    into: Uint8Array,
    start: number,
    options: ReadOptions = {},
  ): Promise<void> {
    checkObjectName(name);
    if (into.length === 0) return;
    const reading = new RangeReading(this.url, name, into, start, options);
    const request = {
      method: 'GET',
      right: 's3:GetObject',
      name,
      headers: () => reading.nextHeaders(),
      answerBytes: into.length,
      accepts: [404, 412, 416],
    } as const;
    for (;;) {
      const doneBefore = reading.done;
      try {
        await this.#client.send(request, (answer, timer) => reading.take(answer, timer), options);
        return;
      } catch (thrown) {
        // Each call makes several attempts, so only one that brought some bytes is followed by
        // another.
        const mayPass = thrown instanceof SteleError && thrown.retryable;
        if (!mayPass || reading.done === doneBefore) throw thrown;
      }
    }
  }

  async stat(name: string, options: StoreCallOptions = {}): Promise<StoredObject | undefined> {
    checkObjectName(name);
    const right = 's3:GetObject (and s3:ListBucket, without which a missing object is a refusal)';
    const accepts = [301, 307, 400, 403, 404];
    const head = { method: 'HEAD', right, name, accepts } as const;
    const { headers, status } = await this.#client.text(head, options);
    if (status === 404) return undefined;
    if (status === 200) {
      return {
        name,
        byteCount: Number(headers.get('content-length')),
        modifiedMs: Date.parse(headers.get('last-modified') ?? '') || 0,
        ...tagged(headers.get('etag')),
      };
    }
    // The answer to a HEAD does not say what is wrong. A listing does, and finds the object as
    // well.
    for await (const found of this.list(name, options))
      return found.name === name ? found : undefined;
    return undefined;
  }

  async *list(prefix: string, options: StoreCallOptions = {}): AsyncGenerator<StoredObject> {
    const root = this.#options.prefix === '' ? '' : `${this.#options.prefix}/`;
    const query = {
      'list-type': '2',
      'encoding-type': 'url',
      'max-keys': String(this.#options.pageSize),
      prefix: root + checkPrefix(prefix),
    };
    let token: string | undefined;
    do {
      const page = { ...query, ...(token !== undefined && { 'continuation-token': token }) };
      const request = { method: 'GET', right: 's3:ListBucket', query: page } as const;
      const { result } = await this.#client.text(request, options);
      for (const content of elementsIn(result, 'Contents')) {
        const key = decodeURIComponent((textIn(content, 'Key') ?? '').replaceAll('+', '%20'));
        if (!key.startsWith(root)) continue;
        yield {
          name: key.slice(root.length),
          byteCount: Number(textIn(content, 'Size')),
          modifiedMs: Date.parse(textIn(content, 'LastModified') ?? '') || 0,
          ...tagged(textIn(content, 'ETag')),
        };
      }
      const isCut = textIn(result, 'IsTruncated') === 'true';
      token = isCut ? textIn(result, 'NextContinuationToken') : undefined;
      if (isCut && token === undefined) {
        throw new SteleError(
          'IO',
          `${this.url}: the store cut off a listing and did not say where.`,
        );
      }
    } while (token !== undefined);
  }

  async delete(names: readonly string[], options: StoreCallOptions = {}): Promise<void> {
    for (let start = 0; start < names.length; start += DELETED_AT_ONCE_MAX) {
      await this.#deleteSome(names.slice(start, start + DELETED_AT_ONCE_MAX), options);
    }
  }

  async #deleteSome(names: readonly string[], options: StoreCallOptions): Promise<void> {
    const root = this.#options.prefix === '' ? '' : `${this.#options.prefix}/`;
    const objects = names.map(
      (name) => `<Object><Key>${escapeXml(root + checkObjectName(name))}</Key></Object>`,
    );
    const body = Buffer.from(`<Delete><Quiet>true</Quiet>${objects.join('')}</Delete>`);
    // Required for this request, also of stores that do not know the newer checksums.
    const headers = { 'content-md5': createHash('md5').update(body).digest('base64') };
    const right = 's3:DeleteObject';
    const request = { method: 'POST', right, query: { delete: '' }, headers, body } as const;
    const { result, status } = await this.#client.text({ ...request, accepts: [501] }, options);
    if (status === 501) {
      for (const name of names) {
        await this.#client.text({ method: 'DELETE', right, name, accepts: [404] }, options);
      }
      return;
    }
    const failure = elementsIn(result, 'Error')[0];
    if (failure === undefined) return;
    const [code, key] = [textIn(failure, 'Code') ?? '', textIn(failure, 'Key') ?? ''];
    const text = `${this.url}: '${key.slice(root.length)}' was not deleted (${code}); ${right} is needed.`;
    throw new SteleError(code === 'AccessDenied' ? 'PERMISSION_DENIED' : 'IO', text);
  }

  close(): void {
    this.#client.close();
  }
}

/** Some stores leave out the quotes in listings. */
function tagged(tag: string | null | undefined): { tag?: string } {
  if (!tag) return {};
  return { tag: tag.startsWith('"') ? tag : `"${tag}"` };
}

/** The bytes of one range, from as many answers as it takes. */
class RangeReading {
  /** Bytes that have arrived. */
  done = 0;
  readonly #where: string;
  readonly #into: Uint8Array;
  readonly #start: number;
  readonly #options: StoreCallOptions;
  #tag: string | undefined;

  constructor(url: string, name: string, into: Uint8Array, start: number, options: ReadOptions) {
    this.#where = `${url}: '${name}'`;
    this.#into = into;
    this.#start = start;
    this.#options = options;
    this.#tag = options.tag;
  }

  get isDone(): boolean {
    return this.done === this.#into.length;
  }

  nextHeaders(): Record<string, string> {
    const first = this.#start + this.done;
    return {
      range: `bytes=${first}-${this.#start + this.#into.length - 1}`,
      // What comes in a second answer must be of the same object.
      ...(this.#tag !== undefined && { 'if-match': this.#tag }),
    };
  }

  async take(answer: Response, timer: ProgressTimer): Promise<void> {
    const text = answer.ok ? '' : await answer.text();
    if (answer.status === 404) {
      const isBucket = textIn(text, 'Code') === 'NoSuchBucket';
      const what = isBucket ? 'there is no such bucket' : 'there is no such object';
      throw new SteleError('NOT_FOUND', `${this.#where}: ${what}.`);
    }
    if (answer.status === 416) throw this.#corrupt('it ends before the bytes that it should have');
    if (answer.status === 412) throw this.#corrupt('it was replaced while it was read');
    const first = this.#start + this.done;
    const expected = `bytes ${first}-${this.#start + this.#into.length - 1}/`;
    const range = answer.headers.get('content-range') ?? '';
    if (answer.status === 206 && !range.startsWith(expected)) {
      throw this.#corrupt(`it has ${range === '' ? 'no range' : range} in place of ${expected}`);
    }
    this.#tag ??= answer.headers.get('etag') ?? undefined;
    // A store may ignore the range and send all.
    let toSkip = answer.status === 206 ? 0 : first;
    for await (const piece of bodyOf(answer)) {
      const useful = piece.subarray(Math.min(toSkip, piece.length));
      toSkip -= piece.length - useful.length;
      const taken = useful.subarray(0, this.#into.length - this.done);
      this.#into.set(taken, this.done);
      this.done += taken.length;
      const pauseMs = this.#options.pace?.(piece.length) ?? 0;
      timer.progressed(pauseMs);
      if (pauseMs > 0) await sleep(pauseMs, timer.signal);
      if (this.isDone) break;
    }
    if (!this.isDone) throw this.#corrupt(`it ends at byte ${this.#start + this.done}`);
  }

  #corrupt(what: string): SteleError {
    return new SteleError('CORRUPT', `${this.#where}: ${what}.`);
  }
}
