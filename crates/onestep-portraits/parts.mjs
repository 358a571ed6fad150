// Makes parts.txt, and the pictures that the tests compare with, from the published part set.
//
//     mkdir elsewhere && cd elsewhere
//     npm install @dicebear/core@9.4.3 @dicebear/pixel-art@9.4.3 @resvg/resvg-js@2.6.2 pngjs@7.0.0
//     node <this file> . <the crate's folder>
//
// Writes parts.txt (paths, fills and palettes of the art, which is CC0 1.0), tests/golden/golden.png (renderings by resvg,
// one a row) and tests/golden/golden.txt (what each of them shows). The same input gives the same bytes.

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [packages, crate] = process.argv.slice(2).map((folder) => path.resolve(folder));
if (!crate) {
    console.error('usage: node parts.mjs FOLDER-WITH-NODE_MODULES FOLDER-OF-THE-CRATE');
    process.exit(2);
}
const inPackage = (file) => path.join(packages, 'node_modules', file);
const load = (file) => import(pathToFileURL(inPackage(file)));
const require = createRequire(path.join(packages, 'package.json'));
const { createAvatar } = await load('@dicebear/core/lib/index.js');
const style = await load('@dicebear/pixel-art/lib/index.js');
const components = await load('@dicebear/pixel-art/lib/components/index.js');
const { Resvg } = require('@resvg/resvg-js');
const { PNG } = require('pngjs');
const version = JSON.parse(readFileSync(inPackage('@dicebear/pixel-art/package.json'))).version;

// In the order in which they are drawn; the beard has the color of the hair.
const GROUPS = ['accessories', 'clothing', 'eyes', 'glasses', 'beard', 'mouth', 'hair', 'hat'];
const PALETTES = ['skin', 'accessories', 'clothing', 'eyes', 'glasses', 'mouth', 'hair', 'hat'];
const OPTIONAL = ['accessories', 'glasses', 'beard', 'hat'];
const defaults = (option) => style.schema.properties[option].default;
const palettes = Object.fromEntries(PALETTES.map((name) => [name, defaults(`${name}Color`)]));

function attributes(tag) {
    return Object.fromEntries([...tag.matchAll(/([a-zA-Z-]+)="([^"]*)"/g)].map((match) => [match[1], match[2]]));
}

// The fills of a piece of SVG, with what they inherit; a mask, where there is one, clips them all.
function lines(svg) {
    const fills = [];
    const inherited = [{}];
    let masks = 0;
    let masked = 0;
    let inMask = false;
    for (const [tag, closing, name] of svg.matchAll(/<(\/?)([a-z]+)[^>]*>/g)) {
        const own = attributes(tag);
        if (name === 'mask') {
            inMask = !closing;
            masks += closing ? 0 : 1;
        } else if (name === 'g') {
            if (closing) inherited.pop();
            else inherited.push({ ...inherited.at(-1), ...own });
        } else if (name === 'path') {
            const all = { ...inherited.at(-1), ...own };
            const paint = all.fill.replace(/^@/, '').replace('#fff', 'white').replace('#000', 'black');
            if (![...PALETTES, 'white', 'black'].includes(paint)) throw new Error(`paint ${paint}`);
            if (!/^[MmHhVvZz0-9 -]+$/.test(all.d)) throw new Error(`path ${all.d}`);
            if (all.opacity && !inMask) throw new Error('opacity is for masks');
            const opacity = (inMask ? all.opacity : all['fill-opacity']) ?? '1';
            fills.push(`${inMask ? 'mask' : 'fill'} ${paint} ${opacity} ${all['fill-rule'] ?? 'nonzero'} ${all.d}`);
            masked += !inMask && all.mask ? 1 : 0;
        } else {
            throw new Error(tag);
        }
    }
    if (masks > 1 || masked !== (masks ? fills.length - 1 : 0)) throw new Error('a part has one mask for all or none');
    return fills;
}

const tokens = Object.fromEntries(PALETTES.map((name) => [name, `@${name}`]));
// Parts that are the same picture under several names become one, that many times as probable.
const parts = {};
for (const group of GROUPS) {
    const byLines = new Map();
    for (const name of [...defaults(group)].sort()) {
        const fills = lines(components[group][name]({}, tokens)).join('\n');
        if (!byLines.has(fills)) byLines.set(fills, []);
        byLines.get(fills).push(name);
    }
    parts[group] = [...byLines].map(([fills, names]) => ({ names, fills }));
}
const bare = { clip: false, skinColor: ['123456'], ...Object.fromEntries(GROUPS.map((group) => [group, []])) };
const face = createAvatar(style, bare).toString().replace(/^<svg[^>]*><metadata.*<\/metadata>|<\/svg>$/g, '');

const table = [
    `# The parts of Pixel Art by DiceBear (https://www.dicebear.com), CC0 1.0, from the npm package @dicebear/pixel-art ${version}.`,
    '# Made by parts.mjs. Layers in the order in which they are drawn; a part with its weight, and what it fills:',
    '# paint, opacity, rule, path. A mask, by its luminance, is for all fills of its part.',
    ...PALETTES.map((name) => `palette ${name} ${palettes[name].join(' ')}`),
    ...OPTIONAL.map((name) => `percent ${name} ${defaults(`${name}Probability`)}`),
    'layer face',
    'part face 1',
    ...lines(face.replaceAll('#123456', '@skin')),
];
for (const group of GROUPS) {
    table.push(`layer ${group}`);
    for (const { names, fills } of parts[group]) table.push(`part ${names[0]} ${names.length}`, fills);
}
writeFileSync(path.join(crate, 'parts.txt'), `${table.join('\n')}\n`);

// What a picture shows: for each group and palette a number from 1, or 0 for none.
const nothing = () => Object.fromEntries([...GROUPS, ...PALETTES.map((name) => `${name}Color`)].map((key) => [key, 0]));

function render(options) {
    const svg = createAvatar(style, { size: 16, backgroundColor: ['ffffff'], ...options }).toString();
    const image = new Resvg(svg).render();
    if (image.width !== 16 || image.height !== 16) throw new Error('size');
    return image.pixels;
}

function options(shown) {
    const result = {};
    for (const group of GROUPS) {
        result[group] = shown[group] ? [parts[group][shown[group] - 1].names[0]] : [];
        if (OPTIONAL.includes(group)) result[`${group}Probability`] = shown[group] ? 100 : 0;
    }
    for (const name of PALETTES) {
        result[`${name}Color`] = shown[`${name}Color`] ? [palettes[name][shown[`${name}Color`] - 1]] : [];
    }
    return result;
}

let state = 1;
function below(n) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
}

const cases = [];
const add = (shown) => cases.push({ shown, pixels: render(options(shown)) });
// Every part alone on a face, in a color after the other, and every beard in all colors, as its mask depends on them.
for (let skin = 1; skin <= palettes.skin.length; skin += 1) add({ ...nothing(), skinColor: skin });
for (const group of GROUPS) {
    const palette = group === 'beard' ? 'hair' : group;
    parts[group].forEach((_, part) => {
        const repeats = group === 'beard' ? palettes.hair.length : 1;
        for (let repeat = 0; repeat < repeats; repeat += 1) {
            const color = ((part + repeat) % palettes[palette].length) + 1;
            const skin = ((part + repeat) % palettes.skin.length) + 1;
            add({ ...nothing(), skinColor: skin, [group]: part + 1, [`${palette}Color`]: color });
        }
    });
}
// Whole portraits, rich in what is optional.
for (let portrait = 0; portrait < 240; portrait += 1) {
    const shown = nothing();
    for (const group of GROUPS) {
        const isShown = !OPTIONAL.includes(group) || below(100) < 40;
        shown[group] = isShown ? below(parts[group].length) + 1 : 0;
    }
    for (const name of PALETTES) shown[`${name}Color`] = below(palettes[name].length) + 1;
    add(shown);
}
// And some as the package itself draws them, with its own probabilities.
for (let seed = 0; seed < 48; seed += 1) {
    const avatar = createAvatar(style, { seed: `${seed}` }).toJson().extra;
    const shown = nothing();
    for (const group of GROUPS) {
        shown[group] = parts[group].findIndex(({ names }) => names.includes(avatar[group])) + 1;
    }
    for (const name of PALETTES) {
        shown[`${name}Color`] = palettes[name].indexOf(avatar[`${name}Color`].slice(1)) + 1;
    }
    cases.push({ shown, pixels: render({ seed: `${seed}` }) });
}

// A picture a row, as its 256 pixels one after the other: so they pack best.
const atlas = new PNG({ width: 256, height: cases.length });
cases.forEach(({ pixels }, index) => atlas.data.set(pixels, index * 1024));
const png = PNG.sync.write(atlas, { colorType: 2, filterType: 0, deflateLevel: 9, deflateStrategy: 0 });
writeFileSync(path.join(crate, 'tests/golden/golden.png'), png);
const header = `# ${Object.keys(nothing()).join(' ')}`;
const text = cases.map(({ shown }) => Object.values(shown).join(' '));
writeFileSync(path.join(crate, 'tests/golden/golden.txt'), `${[header, ...text].join('\n')}\n`);
console.log(`${cases.length} pictures, ${png.length} bytes; table ${table.join('\n').length} bytes`);
