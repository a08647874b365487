package web

import (
	"context"
	"fmt"
	"image/color"
	"io"
	"strings"

	"github.com/a-h/templ"
	"github.com/boombuler/barcode/qr"
)

// QR draws text as a QR code: one path, black on white with its quiet zone. It
// fails when the text is too long for a code (about 2,000 signs).
func QR(text string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		code, err := qr.Encode(text, qr.M, qr.Auto)
		if err != nil {
			return fmt.Errorf("draw QR code: %w", err)
		}
		size := code.Bounds().Dx()
		var p strings.Builder
		for y := range size {
			for x := 0; x < size; x++ {
				run := 0
				for x+run < size && dark(code.At(x+run, y)) {
					run++
				}
				if run > 0 {
					fmt.Fprintf(&p, "M%d %dh%dv1h-%dz", x+4, y+4, run, run)
					x += run
				}
			}
		}
		_, err = fmt.Fprintf(w, `<svg class="qr" viewBox="0 0 %d %d" shape-rendering="crispEdges" role="img" aria-label="二维码">`+
			`<rect width="100%%" height="100%%" fill="#fff"/><path fill="#000" d="%s"/></svg>`, size+8, size+8, p.String())
		return err
	})
}

func dark(c color.Color) bool {
	r, _, _, _ := c.RGBA()
	return r < 0x8000
}
