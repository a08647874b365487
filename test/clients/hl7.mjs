// The HL7 v2 client of Medplum sends messages to the running listener and waits
// for their acknowledgements. Arguments: folder of the packages, port.
import assert from 'node:assert/strict';
import path from 'node:path';
import { createRequire } from 'node:module';

const [dir, port] = process.argv.slice(2);
globalThis.WebSocket ??= class {};
const require = createRequire(path.join(dir, 'package.json'));
const { Hl7Client } = require('@medplum/hl7');
// The package brings a core of its own: messages must be of that one.
const { Hl7Message } = createRequire(require.resolve('@medplum/hl7'))('@medplum/core');

const client = new Hl7Client({ host: '127.0.0.1', port: Number(port), encoding: 'utf-8' });
const message = (type, id, ...segments) =>
  Hl7Message.parse([`MSH|^~\\&|HIS|H|YILIAN|A|20260301080000||${type}|${id}|P|2.4|||||CHN|UNICODE UTF-8`, ...segments].join('\r'));
const pid = 'PID|1||M0001^^^HIS^MR~431102195803120025^^^^ID||唐^桂兰||19580312|F|||零陵区水口山镇^^永州||13900001111';
const ask = async (m, what, want) => {
  const ack = await client.sendAndWait(m);
  const msa = ack.getSegment('MSA');
  assert.equal(msa.getComponent(1, 1), want, `${what}: ${ack.toString()}`);
  assert.equal(msa.getComponent(2, 1), m.getSegment('MSH').getComponent(10, 1), what + ': control id');
};

const admit = () => message('ADT^A01', 'J1', pid, 'PV1|1|I|内科^01^02||||||||||||||||V0001|||||||||||||||||||||||||20260301073000');
await ask(admit(), 'ADT A01', 'AA');
await ask(admit(), 'ADT A01 again', 'AA');
await ask(message('ADT^A03', 'J2', pid, 'PV1|1|I|内科^01^02||||||||||||||||V0001|||||||||||||||||||||||||20260301073000|20260305090000'), 'ADT A03', 'AA');
await ask(message('ORU^R01', 'J3', pid, 'OBR|1|O1|F1|GLU^空腹血糖|||20260302080000|||||||||||||||||||F', 'OBX|1|NM|GLU^空腹血糖||6.8|mmol/L|3.9-6.1|H|||F|||20260302080000'), 'ORU R01', 'AA');
await ask(message('ADT^Z99', 'J4', pid), 'an event that nobody knows', 'AR');

// Many at once on one connection keep their acknowledgements.
const many = Array.from({ length: 50 }, (_, i) =>
  client.sendAndWait(message('ADT^A08', 'K' + i, pid)).then(ack => ack.getSegment('MSA').getComponent(2, 1)));
assert.deepEqual(await Promise.all(many), many.map((_, i) => 'K' + i), 'fifty at once');
await client.close();
console.log('all messages are answered');
process.exit(0);
