// Checks AWS Signature Version 4 in the header `authorization`, as S3 does
// (docs.aws.amazon.com, "Authenticating Requests: Using the Authorization Header").

import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export interface Signed {
  readonly accessKeyId: string;
  readonly region: string;
  /** Unix time in ms. */
  readonly atMs: number;
  /** Whether the signature is that of `secret`. */
  fits(secret: string): boolean;
}

/** Undefined if the request is not signed. */
export function signatureOf(request: IncomingMessage): Signed | undefined {
  const pattern =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;
  const match = pattern.exec(request.headers.authorization ?? '');
  if (match === null) return undefined;
  const [, accessKeyId = '', day = '', region = '', signedHeaders = '', signature = ''] = match;
  const time = String(request.headers['x-amz-date']);
  const names = signedHeaders.split(';');
  const required = ['host', 'x-amz-content-sha256', 'x-amz-date'];
  const isComplete = required.every((name) => names.includes(name)) && time.startsWith(day);
  return {
    accessKeyId,
    region,
    atMs: Date.parse(time.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z')),
    fits: (secret) => {
      const scope = `${day}/${region}/s3/aws4_request`;
      const canonical = canonicalRequest(request, names);
      const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`;
      const key = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(
        (outer, part) => createHmac('sha256', outer).update(part).digest(),
        `AWS4${secret}`,
      );
      return isComplete && createHmac('sha256', key).update(text).digest('hex') === signature;
    },
  };
}

function canonicalRequest(request: IncomingMessage, names: readonly string[]): string {
  const [path = '', search = ''] = (request.url ?? '').split('?');
  const query = search
    .split('&')
    .filter((part) => part !== '')
    .map((part) => (part.includes('=') ? part : `${part}=`))
    .sort();
  const headers = names.map((name) => `${name}:${String(request.headers[name] ?? '').trim()}\n`);
  const hash = String(request.headers['x-amz-content-sha256']);
  return [request.method, path, query.join('&'), headers.join(''), names.join(';'), hash].join(
    '\n',
  );
}

export function sha256(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex');
}
