// The certificates of `stele up --secure`: an authority, one certificate for all its processes, and
// one for the administrator. What is there and good stays; what is near its end is renewed.

import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { CertificateFolder } from '../certs/certificate-folder.ts';
import { hostsIn, issue, newAuthority } from '../certs/issue.ts';
import { AUTHORITY_DAYS, CERTIFICATE_DAYS } from '../certs/validity.ts';

const DAY_MS = 86_400_000;
/** A certificate with less time left is renewed. */
const LEFT_DAYS_MIN = 30;
const NODE = 'node';
const ADMIN = 'client.admin';

/**
 * Makes what is missing in `folder`, and renews what is near its end or lacks one of `hosts`. A new
 * authority is trusted beside the old one. Returns what was done, for people. Throws IO and
 * DISK_FULL.
 */
export async function makeCertificates(
  folder: string,
  hosts: readonly string[],
): Promise<string[]> {
  const certificates = new CertificateFolder(folder);
  const done: string[] = [];
  if (!certificates.hasAuthority) {
    certificates.writeAuthority(await newAuthority(AUTHORITY_DAYS), []);
  } else if (isNearEnd(newestAuthority(certificates))) {
    certificates.writeAuthority(await newAuthority(AUTHORITY_DAYS), certificates.trusted());
    done.push(
      `the certificate authority was near its end and has a successor; copy ${certificates.authorityFile} to all clients again`,
    );
  }
  const isNew = !certificates.has(NODE);
  await makeOne(certificates, NODE, NODE, hosts);
  await makeOne(certificates, ADMIN, 'admin', []);
  if (isNew) done.push(`made certificates in ${folder}`);
  return done;
}

async function makeOne(
  certificates: CertificateFolder,
  name: string,
  commonName: string,
  wanted: readonly string[],
): Promise<void> {
  const { cert, key } = certificates.files(name);
  const present = existsSync(cert) && existsSync(key) ? certificates.certificate(name) : undefined;
  const known = present === undefined ? [] : hostsIn(present);
  const missing = wanted.filter((host) => !known.some((one) => isSameHost(one, host)));
  const isGood =
    present !== undefined &&
    missing.length === 0 &&
    !isNearEnd(present) &&
    new X509Certificate(present).checkIssued(new X509Certificate(newestAuthority(certificates)));
  if (isGood) return;
  const hosts = [...known, ...missing];
  // The key of the authority may be kept elsewhere for as long as nothing is to be signed.
  const authority = certificates.authority();
  certificates.write(name, await issue(authority, { commonName, hosts, days: CERTIFICATE_DAYS }));
}

function newestAuthority(certificates: CertificateFolder): string {
  return certificates.trusted()[0] ?? certificates.authority().cert;
}

function isNearEnd(certificate: string): boolean {
  const leftMs = Date.parse(new X509Certificate(certificate).validTo) - Date.now();
  return leftMs < LEFT_DAYS_MIN * DAY_MS;
}

/** Certificates have IPv6 addresses in another form than people: `0:0:0:0:0:0:0:1` is `::1`. */
function isSameHost(left: string, right: string): boolean {
  return plainHost(left) === plainHost(right);
}

function plainHost(host: string): string {
  return host.includes(':') ? new URL(`http://[${host}]`).hostname : host.toLowerCase();
}
