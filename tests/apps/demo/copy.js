// Put a red picture on the clipboard.
async () => {
    const canvas = new OffscreenCanvas(64, 48), context = canvas.getContext('2d');
    context.fillStyle = 'red';
    context.fillRect(0, 0, 64, 48);
    await navigator.clipboard.write([new ClipboardItem({'image/png': canvas.convertToBlob()})]);
}
