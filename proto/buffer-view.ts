// The same bytes as a Buffer. The generated code copies there (`Buffer.from(bytes)`), once for every
// field and once more for every message; proto/generate.mjs puts this in its place.

/** A view, not a copy: what a decoded field shows are the bytes of its message, which nobody reuses. */
export function bufferView(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
