// Real zstd frames, made by the zstd program (1.5), and raw ones made by hand. Their content is
// `sampleLines`, which never change.

import { XxHash64 } from '../../../loader/input/xxhash64.ts';

/** Lines of the line format, with repetitions that any compressor finds. */
export function sampleLines(count: number): Buffer {
  let text = '';
  let seed = 1;
  for (let row = 0; row < count; row++) {
    if (row % 97 === 0) seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    text += `key-${row % 50} ${['alpha', 'beta', 'gamma', 'delta'][seed >>> 30]} value\n`;
  }
  return Buffer.from(text);
}

const base64 = (text: string): Buffer => Buffer.from(text, 'base64');

/** Frames of 30 lines and of 12,000 (two blocks), with and without checksum and content size. */
export const ZSTD_FRAMES: readonly { name: string; lines: number; bytes: Buffer }[] = [
  {
    name: 'level 1',
    lines: 30,
    bytes: base64(
      'KLUv/QRIrQMAFANrZXktMCBiZXRhIHZhbHVlCmtleS0xMjM0NTY3ODkxMTExMTExMTEyMjIyMjIyMjIyHQDgEDAfmB' +
        'mYBcwHZgZmAfOBmcEsN5vPZjOr2Sw0m29mM5PZLDGbD2Yzv2w2l/EYQAQgBxAGEAHIAYQBRAByETKbVWq5TQ==',
    ),
  },
  {
    name: 'level 19 without a checksum',
    lines: 30,
    bytes: base64(
      'KLUv/QBolQIAIsMKEaAdDrDcg/D/bvi1RBxQGQwDbdu27f//q4SOKaSL2Rxo8S0ZFmwsDDGbCx2oEPD7vwFQo6QHEH' +
        '5ESH2YfYtNzTSzy4oN67VrJhtXD1IsBQ==',
    ),
  },
  {
    name: 'without checksum and content size',
    lines: 30,
    bytes: base64(
      'KLUv/QBYzQMA5ANrZXktMCBiZXRhIHZhbHVlCmtleS0xMjM0NTY3ODkxMTExMTExMTEyMjIyMjIyMjIyOSBiZXRhIH' +
        'ZhbHVlChwgUKOkB7OYz8xmOZ+ZzXI+M7s9i635amdGc5aZ+WTOLGYW2PO9zuHqXYQhAjkIQyRyEGYQgRDWBA==',
    ),
  },
  {
    name: 'level 3, two blocks',
    lines: 12000,
    bytes: base64(
      'KLUv/QRYvCsAFiE9GZApGQ6AKV+b9Qs8/z+DvcneMiWhQK53BAE9AC8ALwCqqpIkSTrGKGSr4pglEgfB//+rqqokSZ' +
        'K0bdu2/f+/qqpKkiTpGKOQrQIWDgYAhwTEoWA4EA4ChiJg4WAQ/6qqKkmSJG3btm3//6+qqpIkSTrGKGSr4hijFBwg' +
        'jv//V1VVSZIkadu2bfv/fw1u27b9/6uqqiRJkvT//6qqKkmSJG3btm3//6+qqpIkSTrGKGSr4hijkI2AOAz8f4YjkT' +
        'gIDNtCdiH7HGMUst22bdv+327S6hijkO0xRiGqOMYoZNu2TVV1q+IYo5B9jFHItu3//1VVDYMTqBLjG/bfwgwOEUhj' +
        'kWJ3PBJ4BYEMjk5PIon/RySQmToHcl5R12tN2Bf9vTOUiLBYZRXTbIwZloS6k2AYgLp934ZCDrcOGVBU9btg0QuQS8' +
        '72kGctR0MYaTi0APYFsGrY+/zZKada7Gc6Ks/94x75/+TjIT1m6bH6DmgTghBzdrikCTjD+RlaYSRU9vQTRc63UvSt' +
        'vqyv3eBd5ciCJAxiNiKuKjaky+cAH3UWuP7EgTRrkFSI6kRkJO41Qlkzw1WXI526effAOvehYTCvR/UUhoKZN+3q7R' +
        '/uIAtlFsy7rc0T2FEwJZxjn+F99H1SUgjDq3V6PXiRk6UswYrGrHBT6UjW1mvpS5Am2miQ/HbIGbH6Ds7/y6RAOlxa' +
        '4BsNOczNmEdj4jm1x9UzjMV1J1oknB9Tv6TDWPMqIrrkurTv7DybzO6kOm6wWFzH2PP6aNXHyNXUPIgil9pzHENCBk' +
        'HFHdMysQoWiR6Unag3iq4X8Y0RLx/Pm8hz3YfFcBpGZNQ0kRIvLxU7j+cwRzPMqicZlk25O1I2zkZocR9CfVyM4lwN' +
        'm8s/kNenxoSxycPH0Hi9LCIem7aGF3/pfmwePLB/1So6tgFyJzBbsxQcCq34hNYpY8GItt3BsgLa6/trqNg7RYPepm' +
        'IUfP5BYJRm2pFVqww72SOxRVEcs14TBOyv5NVnDQdTOYnlZuscFWj0e7FIxbOqM2TEvnZTRBVmBYoJqD4gxqFLGuwh' +
        'y8padXqgRRgJq58wa9CbNAa9S6Trqyajiaj8CWwGn6Vo/pz5RbBMd7Ok8e6HtHYOBRnpqOhNfhhH0DHQnwM/kBbMY7' +
        '6Q0/WWYjlmfWGzQlPQehtHpIxYkfRJhr70ZOKQ85KqgeREPPZRzOv9rty+CcccnNenVoXxqRAJrUm+bJI8yCj+TcAD' +
        'zM4RVIrXOcShSWy/QwlJX3+LC6y3zQwJGmyKrWb32zADG2JxmE0mE+yhWiYQQf1kr0sUrQKLOTWxtYMRXbH0O1CPsX' +
        '3EcW69i1208LXPXxBzL2rQ03u/DuC+fWegdRYrvpqGVVQf86FP5DXZJWN2AgazDC1BEu17d69bI/Pvy+o/NMFSdLQh' +
        '27Y1s+DRCXaoMsxZSx+kMAq7pKd6ioThWRdHg4AUe4185tvc7w2zYLT5d4V8Xz+i0EGtXRedE+U+HihvnXehl9cj7F' +
        '3vRXzkfM0jvRP+wkZr1WWxYAPaP9Nn9AzP2tk6O2dOOFlE3GQiijTw3NsjEqavwbE75FT4TT+m1Yqnk9fMA+il9Wj2' +
        'zvcyPiJf6xS6CvsnOyN60TjYA42f5TM9g2fsbJ2Vs2GcLjLusghFGjAYAqBJfh2aQQ1KzjuTrdly8VryoHmBHrHeYS' +
        '+/R+O78rkfIzyVvUOe6sdMgwAI/SAf7AE8YAfrYDkQxKlFwn2SigRUpiiLJodhA9D3VcuzaGoEJZraRemGTEiHSbak' +
        '7GRZwoyy2cFZ9DMqtEs0rhsUDWokpZoaxYqkdlCavQE2kBqEBs0AMpAYFAZ5gS7RQCcUt2QThCG1Aq0YAJMPGKqikK' +
        'mqqiRJkkS2xxiFbHWMUcguZOo5xihkxxiF7P//V1VVSZIk6f//VVVVkiRJ2hjlGKOQ7bZt27Zt26T//1dVVUmSJOkY' +
        'o5CtjjEK2TFGIdtt27bt//9VVXWPMQpRCIGzqMH9QQaFCESmiIrcElhB4AYSVCyRxP8ngciMDxp8y1V1AOUxs4P7vR' +
        'MNTyjEOEj2QL4e6YwhfOw7WcEIHgqGc21JrfUFrHE4JfaCrdHioPRMTuyYgBUB0BAVT2g/PdrvWav/mH1bD2TBN5ru' +
        'kiXOGpuS3ZqD/IwA0JB8OgCVDJUuKjUqRSp1RgoaiXh4Mg4tgMqIwN1lGGabDJqcQd76HhpEh8GNekdN1SEFr3g+j1' +
        'I4Elj7aGYwRjqfocuLR5reRauSmHnWhUicSNro8po51jB2DYL15k/qHpiP8Wzim9ZXT/luQZDq0t2PLGeIR3jv8Aol' +
        'IcDHQ7iJTDLDxmCfXDCkRHXr8dtt3G0eFj1sPQx7GPfwfTd/Fx7WbSgZ8PJ+PV7IesoAcn/Xy99iupB5Ileoq4mXI/' +
        'HMNHY//WkI1u+ICo2xrLOAa2cIeYZwiOXkoDQH5XjaLU9gwPCnCB+sw4jyqyDtHSNDG6PtZOZO8HfafWYCs1gw3QNb' +
        'BtUKihnzbcAGFrw6t3MCrlnMooZOhov31H6iM8NlYJ89GFIKvJ4w3oOvR535ydR9b5nif9qpNFzd7+2Xh3kY21SBjG' +
        '4YrogHRojUGbaAUu1TLZp9CZnYdkBVuFAN0dJcHk47mLPhLMOPSdlPSvJz55j0XUTHg3T8s2gCDDQGFm5ucx8jnYxs' +
        'nQCOULFXFaQB4noB/9h20FEpimyiiOQxsg5XcOoB7h67NT1pkvIh+4Om7kSN6MDs2kAY+k1Zvcp+w7VYBkNLNa1geZ' +
        '4jW2g65RafEYn/4sLyYjmKR9Tqo5x5mPTw3geILoJ0kTZ6b+yEr6m8xTXygoTCf9oF8/New75f+pCFQkhesZcyVSdG' +
        '2zOoji6Iff0tXDeGyfgfexVvDBOE1VEssNCXcBnkEj1OsCOmCQDXH1yUwuE=',
    ),
  },
  {
    name: 'level 19, two blocks',
    lines: 12000,
    bytes: base64(
      'KLUv/QRoRBUAhtUvFqApHYDJy+23Nxeq4JByS5lSQgsqEa8vACYAJgBWiu5y7oZAHIWzUnSX87NSdJfjs1J0l9OzUn' +
        'SXw7NSdJcAZJEcjMChQAaBETSQQ3d7eRkSyVGn/37Pz8/m4jL5tmt6fLWWVqmv27LTo7GwSDzNkhxe/61IEILf8/Oz' +
        'ubhMvu2aHl+tpVXq67bs9GgsLBJPsySHZ6XoLidHoZDB/GwuLpNvu6bHV2tplfq6LTs9GguLxNMsyeFZKbrLudvL6x' +
        'SBJahRST3sb8FOJDEiMkJ1EkAwCKxAECAYsOH/HxEQg6TsAbr+1vQMsHiKkPwS4wTAikPxGbFXJqG3ro+LCtoW7jGL' +
        'VWwkGessPzIl3MMcQVEy6dLeu+FetPFz+vgme2OtIMNn/TjNeviCbeF0a5nwKfuonDEHiKQ4hlygWEZShmzkFZDa0x' +
        'SfkCekAYn2p3Rz2eBLlpBWEYBljVc71ZwoRFZ+yw48NiZyIc2Gcjj2aqmqgNAyeVsHT/kTiWegl/TwUXujoWW/oj+T' +
        'qpjRIpFmAYagy7F/GFskxpMtSDgEXVhKN9PlUit1IZCx993gJU3G0mlsND9Va13jNmj9V/VF+9f2Py2hRmlbQ+cJ49' +
        'gqzY7ouMrZhkvCLmy+59NX5buzMreBcl4+Hp0yUXZGiAS/KxWdpmFsZhw+t3aolW7s+ayBPTflFrmpv4BpfPw0qgUl' +
        '2hjJ5J5GZ5Hjr83hHYV2d3X75/dF1h8Z5/HGnKFoHH+JuxgqKm7TpDylg/QLCiMIUQjCCKIADwCAGAKdo5Cuef+Swf' +
        'a25zWtPc15TWubkQIIAAbRR+Qgvn9fy8T+8/e3vb/t/W3vbxeZAwAAk2BE0vawSPsy+v/7dglNJBmmCG9DIM90GgZh' +
        'VVgU+zCSAg8Cy7kEeKptBwAIZz+o4A9xKOERAUKKIekDEfz//48gBAyKsntNZPBBm/NUdwAoNPkDZNYNg1lAut8Bdw' +
        'NVyrfQhdaUR2YfZFVFXeQthtMbcsiSgP5wnyIixJ/geHNMjrl16CFog5FpuuNjYN5brQt81QtZcflsFHlsI7eyQ1YM' +
        'P0n1nzXQMDguAyM+2c525tLSaD5YXpbKDZ7gWDgWnjIRmDU0YoRpHPsieerxunsRdv2RZg0xkwC5xxiD+oOcyeAfHF' +
        'lZQXTaylB/E1ojBJaRHFGYsu+MBL1Si5Sw2wpXki3Mt0Q6FHk8KJzggTTYz6DM4+IP4ghclMLh',
    ),
  },
];

/** A frame of raw blocks (or, for a block of one repeated byte, RLE), with a checksum. */
export function rawFrame(content: Buffer, blockBytes = 100_000): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(content.length);
  const parts: Buffer[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa4]), size];
  let at = 0;
  do {
    const part = content.subarray(at, at + blockBytes);
    at += part.length;
    const isRle = part.length > 1 && part.every((byte) => byte === part[0]);
    const head = Buffer.alloc(3);
    head.writeUIntLE((part.length << 3) | (isRle ? 2 : 0) | (at === content.length ? 1 : 0), 0, 3);
    parts.push(head, isRle ? part.subarray(0, 1) : part);
  } while (at < content.length);
  const hash = new XxHash64();
  hash.update(content);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32LE(Number(hash.digest() & 0xffffffffn));
  return Buffer.concat([...parts, checksum]);
}

/** A skippable frame, which decoders skip. */
export function skippableFrame(content: Buffer): Buffer {
  const head = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);
  head.writeUInt32LE(content.length, 4);
  return Buffer.concat([head, content]);
}
