// Large objects, in parts: a part that fails is repeated, not the object.
//
//     POST ?uploads -> id      PUT ?partNumber=n&uploadId=id, several at a time      POST ?uploadId=id
//
// An upload that fails is aborted, so that nothing is left to pay for. What a killed process left
// is aborted by the first upload of another one, once it is a day old.

import { SteleError } from '../../base/errors.ts';
import type { ObjectBody, StoreCallOptions } from '../object-store.ts';
import type { S3Client } from './s3-client.ts';
import { elementsIn, escapeXml, textIn } from './xml.ts';

/** Parts of one object at the same time; the client bounds the requests of all. */
const PARTS_AT_ONCE = 4;
const PARTS_MAX = 10_000;
const LEFTOVER_AGE_MS = 86_400_000;
const RIGHT = 's3:PutObject';

export interface MultipartOptions extends StoreCallOptions {
  readonly partBytes: number;
  readonly ifAbsent: boolean;
}

/** `raced`: another writer finished at the same moment, and all parts must be sent again. */
type MultipartEnd = 'done' | 'taken' | 'raced';

export interface MultipartResult {
  readonly end: MultipartEnd;
  readonly isRepeated: boolean;
}

export async function putInParts(
  client: S3Client,
  name: string,
  body: ObjectBody,
  options: MultipartOptions,
): Promise<MultipartResult> {
  const begun = await client.text(
    { method: 'POST', right: RIGHT, name, query: { uploads: '' } },
    options,
  );
  const id = textIn(begun.result, 'UploadId') ?? '';
  if (id === '') throw new SteleError('IO', `The store began no upload of '${name}'.`);
  try {
    const tags = await putParts(client, name, id, body, options);
    const result = await complete(client, name, id, tags, options);
    if (result.end !== 'done') await abortUpload(client, name, id);
    return result;
  } catch (thrown) {
    await abortUpload(client, name, id).catch(() => undefined);
    throw thrown;
  }
}

/** Sends the parts; resolves with their ETags in order. The first failure stops the others. */
async function putParts(
  client: S3Client,
  name: string,
  uploadId: string,
  body: ObjectBody,
  options: MultipartOptions,
): Promise<string[]> {
  const partBytes = Math.max(options.partBytes, Math.ceil(body.byteCount / PARTS_MAX));
  const count = Math.ceil(body.byteCount / partBytes);
  const tags: string[] = [];
  const failures: unknown[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count && failures.length === 0) {
      const part = next++;
      const start = part * partBytes;
      try {
        const bytes = await body.read(start, Math.min(body.byteCount, start + partBytes));
        const query = { partNumber: String(part + 1), uploadId };
        const request = { method: 'PUT', right: RIGHT, name, query, body: bytes } as const;
        const { headers } = await client.text(request, options);
        tags[part] = headers.get('etag') ?? '';
      } catch (thrown) {
        failures.push(thrown);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARTS_AT_ONCE, count) }, lane));
  if (failures.length > 0) throw failures[0];
  return tags;
}

async function complete(
  client: S3Client,
  name: string,
  uploadId: string,
  tags: readonly string[],
  options: MultipartOptions,
): Promise<MultipartResult> {
  const parts = tags.map(
    (tag, part) =>
      `<Part><PartNumber>${part + 1}</PartNumber><ETag>${escapeXml(tag)}</ETag></Part>`,
  );
  const answer = await client.text(
    {
      method: 'POST',
      right: RIGHT,
      name,
      query: { uploadId },
      headers: options.ifAbsent ? { 'if-none-match': '*' } : {},
      body: Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`),
      accepts: [404, 409, 412],
    },
    { ...(options.signal && { signal: options.signal }) },
  );
  const { isRepeated, result, status } = answer;
  // The answer begins before the parts are joined, so a failure may come with status 200.
  const code = textIn(result, 'Code') ?? '';
  if (status === 412 || code === 'PreconditionFailed') return { end: 'taken', isRepeated };
  if (status === 409 || code === 'ConditionalRequestConflict') return { end: 'raced', isRepeated };
  // The upload is gone: completed by an attempt whose answer was lost, or aborted by another
  // process.
  if (status === 404) return { end: isRepeated ? 'taken' : 'raced', isRepeated };
  if (code !== '') return { end: 'raced', isRepeated };
  return { end: 'done', isRepeated };
}

async function abortUpload(client: S3Client, name: string, uploadId: string): Promise<void> {
  const right = 's3:AbortMultipartUpload';
  // Without the signal of the call: a call that was cancelled must clean up, too.
  await client.text({ method: 'DELETE', right, name, query: { uploadId }, accepts: [404] });
}

/**
 * Aborts the uploads below `prefix` (a key) that are a day old. Does nothing if that is not
 * allowed.
 */
export async function abortLeftovers(
  client: S3Client,
  prefix: string,
  options: StoreCallOptions,
): Promise<void> {
  try {
    const right = 's3:ListBucketMultipartUploads';
    const query = { uploads: '', prefix: prefix === '' ? '' : `${prefix}/` };
    const { result } = await client.text({ method: 'GET', right, query }, options);
    for (const upload of elementsIn(result, 'Upload')) {
      const begunMs = Date.parse(textIn(upload, 'Initiated') ?? '');
      const key = textIn(upload, 'Key') ?? '';
      const isOld = client.unixMs() - begunMs > LEFTOVER_AGE_MS;
      if (!isOld || !key.startsWith(query.prefix)) continue;
      const name = key.slice(query.prefix.length);
      await abortUpload(client, name, textIn(upload, 'UploadId') ?? '');
    }
  } catch (thrown) {
    if (thrown instanceof SteleError && thrown.code === 'CANCELLED') throw thrown;
  }
}
