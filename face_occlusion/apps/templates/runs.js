// Run lengths as COCO compresses them: column by column, beginning with background; 5 bits a
// character; from the fourth run on, each is written as its difference from the last but one.

function encodeRuns(pixels, wanted, [height, width]) {
  const counts = [];
  let run = 0, inside = false;
  for (let x = 0; x < width; x++) {
    for (let i = x; i < height * width; i += width) {
      if ((pixels[i] === wanted) !== inside) {
        counts.push(run);
        run = 0;
        inside = !inside;
      }
      run++;
    }
  }
  counts.push(run);
  return counts.map((count, i) => encodeNumber(i > 2 ? count - counts[i - 2] : count)).join("");
}

function encodeNumber(value) {
  for (let text = ""; ;) {
    const bits = value & 31;
    value >>= 5;
    const more = value !== (bits & 16 ? -1 : 0);
    text += String.fromCharCode((more ? bits | 32 : bits) + 48);
    if (!more) return text;
  }
}

// Gives the pixels inside the runs a value; `pixels` is row by row.
function decodeRuns(text, [height, width], pixels, value) {
  const counts = [];
  let number = 0, shift = 0;
  for (const char of text) {
    const code = char.charCodeAt(0) - 48;
    number |= (code & 31) << shift;
    shift += 5;
    if (code & 32) continue;
    if (code & 16) number |= -1 << shift;
    counts.push(counts.length > 2 ? number + counts.at(-2) : number);
    number = shift = 0;
  }
  let place = 0;
  counts.forEach((count, i) => {
    const end = place + count;
    if (i % 2 === 0) place = end;
    for (; place < end; place++) {
      pixels[(place % height) * width + Math.floor(place / height)] = value;
    }
  });
}
