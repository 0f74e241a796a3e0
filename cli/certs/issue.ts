// Makes certificates: an authority, and what it signs. Keys are ECDSA on P-256.
//
// Every authority has a name of its own: the old and the new one may be in one file while the
// authority is replaced, and OpenSSL finds the issuer of a certificate by name.

import 'reflect-metadata';
import { X509Certificate, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';

/** A certificate and its key, in PEM. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateRequest {
  readonly commonName: string;
  /** Host names and IP addresses under which others dial the holder; none: it only dials. */
  readonly hosts: readonly string[];
  readonly days: number;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;
/** Clocks of machines differ. */
const BACKDATED_MS = 3_600_000;
const SERIAL_BYTES = 16;

/** A new authority. */
export async function newAuthority(days: number): Promise<Issued> {
  const keys = await newKeys();
  const serial = newSerial();
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial,
    name: `O=Stele, CN=Stele CA ${serial.slice(0, 8)}`,
    ...validity(days),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      // It signs no further authorities.
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: pemText(made), key: await keyText(keys.privateKey) };
}

/** A certificate that `authority` signs. It ends with the authority at the latest. */
export async function issue(authority: Issued, request: CertificateRequest): Promise<Issued> {
  const issuer = new x509.X509Certificate(authority.cert);
  const keys = await newKeys();
  const { notAfter, notBefore } = validity(request.days);
  const made = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: `O=Stele, CN=${request.commonName}`,
    issuer: issuer.subject,
    notBefore,
    notAfter: notAfter < issuer.notAfter ? notAfter : issuer.notAfter,
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: await signingKey(authority.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(usagesOf(request)),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      ...alternativeNames(request.hosts),
    ],
  });
  return { cert: pemText(made), key: await keyText(keys.privateKey) };
}

/** The host names and IP addresses in a certificate. */
export function hostsIn(cert: string): string[] {
  const names = new X509Certificate(cert).subjectAltName ?? '';
  return names
    .split(', ')
    .map((name) => name.replace(/^(?:DNS|IP Address):/, ''))
    .filter((name) => name !== '');
}

function usagesOf({ hosts }: CertificateRequest): string[] {
  const { clientAuth, serverAuth } = x509.ExtendedKeyUsage;
  return hosts.length === 0 ? [clientAuth] : [serverAuth, clientAuth];
}

function alternativeNames(hosts: readonly string[]): x509.Extension[] {
  if (hosts.length === 0) return [];
  const names = hosts.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }) as const);
  return [new x509.SubjectAlternativeNameExtension(names)];
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

function signingKey(pem: string): Promise<webcrypto.CryptoKey> {
  const [bytes] = x509.PemConverter.decode(pem);
  if (bytes === undefined) throw new Error('the key of the authority is no PEM');
  return webcrypto.subtle.importKey('pkcs8', bytes, ALGORITHM, false, ['sign']);
}

function validity(days: number): { readonly notBefore: Date; readonly notAfter: Date } {
  const nowMs = Date.now();
  return { notBefore: new Date(nowMs - BACKDATED_MS), notAfter: new Date(nowMs + days * DAY_MS) };
}

function newSerial(): string {
  const bytes = randomBytes(SERIAL_BYTES);
  // A serial number is positive (RFC 5280).
  bytes[0] = (bytes[0] ?? 0) & 0x7f;
  return bytes.toString('hex');
}

function pemText(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

async function keyText(key: webcrypto.CryptoKey): Promise<string> {
  const bytes = await webcrypto.subtle.exportKey('pkcs8', key);
  return `${x509.PemConverter.encode(bytes, 'PRIVATE KEY')}\n`;
}
