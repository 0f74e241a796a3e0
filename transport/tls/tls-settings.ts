// The settings of TLS, the same for every role and every verb that connects to one.

import { option } from '../../base/config.ts';
import type { SettingsOf } from '../../base/config.ts';
import type { TlsSource } from './tls-files.ts';

export const tlsOptions = {
  tls: option.choice(
    'TLS on every port and connection; auto: if one of the following files is given',
    ['auto', 'required', 'off'],
    'auto',
  ),
  tlsCert: option.text('certificate of this process, a PEM file', '', { placeholder: 'FILE' }),
  tlsKey: option.text('its private key, a PEM file', '', { placeholder: 'FILE' }),
  tlsCa: option.text(
    'certificate authorities that the certificates of others are checked against, a PEM file; without it those of Node.js',
    '',
    { placeholder: 'FILE' },
  ),
};

export type TlsSettings = SettingsOf<typeof tlsOptions>;

/** What the settings name; undefined: without TLS. */
export function tlsSource({ tls, tlsCa, tlsCert, tlsKey }: TlsSettings): TlsSource | undefined {
  const isGiven = tlsCa !== '' || tlsCert !== '' || tlsKey !== '';
  if (tls === 'off' || (tls === 'auto' && !isGiven)) return undefined;
  return { ...fileOf('ca', tlsCa), ...fileOf('cert', tlsCert), ...fileOf('key', tlsKey) };
}

/** The settings that name `source`. */
export function settingsOfSource(source: TlsSource | undefined): Partial<TlsSettings> {
  if (source === undefined) return {};
  const { ca = '', cert = '', key = '' } = source;
  return { tls: 'required', tlsCa: String(ca), tlsCert: String(cert), tlsKey: String(key) };
}

function fileOf(name: 'ca' | 'cert' | 'key', path: string): TlsSource {
  return path === '' ? {} : { [name]: path };
}
