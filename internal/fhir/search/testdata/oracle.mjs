// Evaluates every search parameter of R4 on every example with HL7's fhirpath
// and prints what it finds: one JSON array a line, [file, parameter, results].
// Parameters that find nothing are left out. It reads the definitions by itself,
// so that it shares nothing with the program but the examples.
//
//   node oracle.mjs <folder with node_modules> <folder of examples> [<folder of definitions>]
//
// FHIRPath as R4's expressions use it needs two turns: `as` stands on elements
// that repeat and is meant as ofType, and resolve() is decided by what the
// reference says, since nothing can be fetched.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const [modules, examples, definitions = examples] = process.argv.slice(2);
const require = createRequire(path.resolve(modules, 'x.js'));
const fhirpath = require('fhirpath');
const model = require('fhirpath/fhir-context/r4');

const read = (dir, f) => JSON.parse(fs.readFileSync(path.join(dir, f), 'utf8'));
const isBase = id => !/-extensions-|-genetic-|^example|^filter$/.test(id);
const params = fs.readdirSync(definitions).filter(f => f.startsWith('SearchParameter-') && f.endsWith('.json'))
  .map(f => read(definitions, f)).filter(p => isBase(p.id) && p.expression);

const turn = e => e
  .replace(/DateTime\)/g, 'dateTime)')
  .replace(/\(([A-Za-z.]+) as ([A-Za-z]+)\)/g, '$1.ofType($2)')
  .replace(/\.as\(/g, '.ofType(')
  .replace(/\.where\(resolve\(\) is ([A-Za-z]+)\)/g, ".pointsAt('$1')");

let resource; // the one that is being evaluated
const targetType = node => {
  const v = node?.data ?? node;
  const literal = typeof v === 'string' ? v : v?.reference;
  if (literal?.startsWith('#')) {
    if (literal === '#') return resource.resourceType;
    return resource.contained?.find(c => c.id === literal.slice(1))?.resourceType;
  }
  const m = literal?.match(/(?:^|\/)([A-Z][A-Za-z]+)\/[A-Za-z0-9.-]{1,64}(?:\/_history\/.*)?$/);
  return m ? m[1] : v?.type;
};
const options = {
  userInvocationTable: {
    pointsAt: { fn: (nodes, type) => nodes.filter(n => targetType(n) === type), arity: { 1: ['String'] } },
  },
};
const compile = e => fhirpath.compile(turn(e), model, options);
for (const p of params) {
  p.run = compile(p.expression);
  p.parts = (p.component ?? []).map(c => compile(c.expression));
}
const plain = v => JSON.parse(JSON.stringify(v));
const abstract = new Set(['Resource', 'DomainResource']);
const notDomain = new Set(['Bundle', 'Binary', 'Parameters']);
const applies = (p, type) => p.base.some(b => b === type || b === 'Resource' || b === 'DomainResource' && !notDomain.has(type));
const split = e => e.split('|').map(s => s.trim());

const byType = new Map();
for (const f of fs.readdirSync(examples).sort()) {
  if (!f.endsWith('.json') || f === 'package.json' || f.startsWith('.')) continue;
  resource = read(examples, f);
  const type = resource.resourceType;
  if (!type || abstract.has(type)) continue;
  if (!byType.has(type)) byType.set(type, params.filter(p => applies(p, type)));
  for (const p of byType.get(type)) {
    let out;
    try {
      if (p.type !== 'composite') {
        out = plain(p.run(resource, { resource }));
      } else {
        // Components are evaluated on each root with the type that the root has.
        out = [];
        for (const branch of split(p.expression).filter(b => b === type || b.startsWith(type + '.'))) {
          const roots = fhirpath.evaluate(resource, branch, { resource }, model, options);
          roots.forEach((_, i) => out.push(p.component.map(c => {
            const root = `%resource.${branch.slice(type.length + 1) || 'select($this)'}[${i}]`;
            return plain(split(c.expression).flatMap(e =>
              fhirpath.evaluate(resource, turn(e.startsWith('%resource') ? e : `${root}.${e}`), { resource }, model, options)));
          })));
        }
      }
    } catch (e) {
      out = { error: String(e.message ?? e) };
    }
    if (!Array.isArray(out) || out.length > 0) console.log(JSON.stringify([f, p.id, out]));
  }
}
