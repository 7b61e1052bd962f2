"""Hair: locks of strands between guide curves, and volumes of curls."""

import numpy as np

from face_occlusion.miniature import colours, fields
from face_occlusion.miniature.canvas import Canvas, Part, bounding_box
from face_occlusion.miniature.light import Surface, shade
from face_occlusion.miniature.person import Frame, Person

_POINTS = 22  # points of a strand


class HairPainter:
    """Paints one person's hair in one picture."""

    def __init__(self, canvas: Canvas, frame: Frame, person: Person) -> None:
        self.canvas, self.frame, self.person = canvas, frame, person
        self.rng = np.random.default_rng([person.details, 1])  # the same in each of their pictures
        self.colour = colours.hair(person.hair) * self.rng.uniform(0.85, 1.15)
        x, y = fields.grid(frame.shape)
        u = (x - frame.origin_xy[0]) / frame.unit_px / 1.45
        v = ((y - frame.origin_xy[1]) / frame.unit_px + 0.25) / 1.7
        # The height in pixels of a smooth ball around the head.
        self._volume = (1.1 * frame.unit_px / (1 + 1.1 * (u * u + v * v))).astype(np.float32)

    def paint_back(self) -> None:
        """Paint what hangs behind the neck."""
        style, v = self.person.hair_style, 0.16 * self.person.hair_volume
        if style == "bun":
            self._bun()
        if style in ("long", "wavy", "curtain", "bob_fringe"):
            top = 0.95 + v
            wide, low, middle = (1.02, 1.3, 1.4) if style == "bob_fringe" else (1.0, 2.6, 2.65)
            ends = [(-wide - v, low), (-0.4, middle), (0.4, middle), (wide + v, low)]
            guides = [
                [(0.6 * top * t, -1.1, -0.3), (1.04 * top * t, 0.1, -0.4), (x, y, -0.3)]
                for (x, y), t in zip(ends, (-1, -0.4, 0.4, 1), strict=True)
            ]
            self._lock(np.array(guides), dark=0.6, shadow=False)

    def paint_front(self) -> None:
        """Paint what lies on the head, its shadow first."""
        style = self.person.hair_style
        if style == "buzz":
            self._buzz()
        elif style in ("curly", "afro"):
            self._curls()
        elif style != "bald":
            for guides in self._locks(style):
                self._lock(guides)

    def _locks(self, style: str) -> list[np.ndarray]:
        p, v = self.person, 0.15 * self.person.hair_volume
        part = {"side_part": 0.42, "curtain": 0.0, "long": 0.12, "wavy": -0.2}.get(style, 0.3)
        part *= 1 if p.details % 2 else -1
        if style == "bun":
            return [self._swept(p.hairline, up=0.04)]
        if style == "quiff":
            return [*self._sides(0.35, v * 0.5, 0.1), self._swept(p.hairline, up=0.2 + v)]
        if style == "bob_fringe":
            return [*self._sides(0.0, v, 1.3), self._fringe(-0.38)]
        if style in ("long", "wavy", "curtain"):
            return self._sides(part, v, 2.5)
        if style == "side_part":
            return self._sides(part, v + 0.04, 0.12)
        return [*self._sides(part, v, 0.08), self._fringe(p.hairline + 0.12)]

    def _sides(self, part: float, v: float, end_y: float) -> list[np.ndarray]:
        """Return a lock for either side, combed from the parting down to `end_y`."""
        line, locks = self.person.hairline, []
        for side in (-1, 1):
            outer = [(part, -1.44 - v, 0.1), (side * 0.6 + 0.2 * part, -1.36 - v, 0.1)]
            outer += [(side * (0.97 + v), -0.85, 0.05), (side * (1.04 + v), -0.3, 0.0)]
            front = 0.93 if end_y < 1 else 0.9
            inner = [(part, line, 0.8), (side * 0.45 + 0.4 * part, line + 0.06, 0.75)]
            inner += [(side * 0.76, line + 0.34, 0.55), (side * front, -0.18, 0.3)]
            if end_y < 1:
                outer += [(side * (1.01 + 0.5 * v), end_y, 0.0)]
                inner += [(side * 0.965, end_y + 0.12, 0.15)]
            else:
                outer += [(side * (1.08 + 1.2 * v), 0.55, 0), (side * (1.1 + v), end_y, 0.1)]
                inner += [(side * 0.87, 0.5, 0.35), (side * 0.66, end_y, 0.4)]
            locks.append(np.stack([np.array(outer), np.array(inner)]))
        return locks

    def _swept(self, line: float, up: float) -> np.ndarray:
        """Return a lock combed up and back from the hairline."""
        guides = []
        for x in (-1, -0.6, 0, 0.6, 1):
            y0 = line + 0.62 * abs(x) ** 2.2
            z0 = 0.8 * np.sqrt(1 - (0.85 * x) ** 2)
            top = -1.42 - up * (1 - 0.3 * x * x) + 0.55 * abs(x) ** 2.5
            middle = (1.0 * x, (y0 + top) / 2 - 0.1, 0.5)
            guides.append([(0.93 * x, y0, z0), middle, (0.98 * x, top, 0.0)])
        return np.array(guides)

    def _fringe(self, low: float) -> np.ndarray:
        """Return a lock that falls over the forehead to height `low`."""
        top = -1.5 - 0.15 * self.person.hair_volume
        lean = 0.15 * (1 if self.person.details % 2 else -1)
        guides = []
        for x in (-0.92, -0.5, 0, 0.5, 0.92):
            fall = low + 0.22 * abs(x) ** 2 - lean * x
            z = 0.86 * np.sqrt(1 - (0.9 * x) ** 2)
            root, middle = (0.7 * x + lean, top + 0.3 * x * x, 0.1), (0.9 * x + lean, -1.1, 0.7)
            guides.append([root, middle, (x, fall, z)])
        return np.array(guides)

    def _lock(self, guides: np.ndarray, dark: float = 1.0, shadow: bool = True) -> None:
        """Paint strands between K guide curves, (K, M, 3) head coordinates from root to tip.

        `dark` is a factor on the colour; with `shadow` the lock casts one on what lies below.
        """
        frame, rng = self.frame, self.rng
        curves = np.stack([fields.smooth_curve(frame.project(g), _POINTS) for g in guides])
        rows = fields.smooth_curve(curves, 14)  # (14, N, 2)
        solid = rows[:, : _POINTS - 2]  # tips are single strands
        border = np.concatenate([solid[0], solid[1:-1, -1], solid[-1][::-1], solid[-2:0:-1, 0]])
        alpha = fields.fill(frame.shape, border)
        area = float(alpha.sum()) / frame.unit_px**2
        strands, tones = self._strands(rows, int(150 + 650 * area))
        alpha = np.maximum(alpha, fields.stroke(frame.shape, strands[::2]))
        tone = np.full(frame.shape, 84, np.uint8)
        for group in np.array_split(rng.permutation(len(strands)), 10):
            parts = np.array_split(group[np.argsort(tones[group])], 4)  # light hair on top
            for level, part in zip((70, 88, 104, 126), parts, strict=True):
                fields.stroke_rough(tone, strands[part], level)
        colour = self.colour * dark
        self._finish(alpha, fields.blur(tone.astype(np.float32) / 96, 0.7), colour, shadow)

    def _strands(self, rows: np.ndarray, num: int) -> tuple[np.ndarray, np.ndarray]:
        """Scatter (num, N, 2) strands over a surface of (K, N, 2) curves.

        Their (num,) tones are similar for neighbours, which form locks.
        """
        rng, unit = self.rng, self.frame.unit_px
        across = np.clip(rng.uniform(-0.03, 1.03, num), 0, 1) * (len(rows) - 1)
        index = np.clip(across.astype(int), 0, len(rows) - 2)
        weight = (across - index)[:, None, None]
        strands = rows[index] * (1 - weight) + rows[index + 1] * weight
        start, end = rng.uniform(-0.02, 0.5, num), rng.uniform(0.75, 1.03, num)
        t = start[:, None] + (end - start)[:, None] * np.linspace(0, 1, _POINTS)  # (num, N)
        position = np.clip(t, 0, 1) * (_POINTS - 1)
        below = np.minimum(position.astype(int), _POINTS - 2)
        part = (position - below)[..., None]
        line = np.arange(num)[:, None]
        strands = strands[line, below] * (1 - part) + strands[line, below + 1] * part
        wavy = {"wavy": 0.075, "long": 0.015, "side_part": 0.02}.get(self.person.hair_style, 0.012)
        phase = across[:, None] * 0.9 + rng.normal(0, 0.4, (num, 1))
        wave = wavy * np.sin(11 * t + phase) * np.clip(2 * t, 0, 1)
        drift = rng.normal(0, 0.018, (num, 1)) * t
        along = np.gradient(strands, axis=1)
        normal = along[..., ::-1] * (-1, 1)
        normal /= np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-6)
        locks = np.interp(across, np.linspace(0, len(rows) - 1, 26), rng.standard_normal(26))
        tones = locks + 0.7 * rng.standard_normal(num)
        return strands + normal * ((wave + drift) * unit)[..., None], tones

    def _cap(self, grow: float, low: float) -> np.ndarray:
        """Return the coverage of a cap: from the outline grown by `grow` to the hairline."""
        line = self.person.hairline
        angle = np.linspace(0, np.pi, 40)
        width = (1.0 + grow) / np.cos(self.frame.view.yaw_rad)  # a turned head is no narrower
        height = 1.4 + grow
        rise = -(np.sin(angle) ** 0.8) * height
        outer = np.stack([np.cos(angle) * width, rise, 0 * angle], axis=1)
        inner = [(-0.965, low, 0.1), (-0.9, -0.25, 0.35), (-0.74, line + 0.28, 0.55)]
        inner += [(-0.4, line + 0.03, 0.75), (0, line, 0.8)]
        inner += [(-x, y, z) for x, y, z in inner[-2::-1]]
        first, last = [(1.0 + grow * 0.7, low, 0.0)], [(-1.0 - grow * 0.7, low, 0.0)]
        points = np.concatenate([first, outer, last, fields.smooth_curve(np.array(inner), 40)])
        return fields.fill(self.frame.shape, self.frame.project(points))

    def _buzz(self) -> None:
        alpha = self._cap(0.03, 0.05)
        noise = fields.value_noise(self.rng, self.frame.shape, max(self.frame.unit_px * 0.014, 1))
        soft = fields.blur(alpha, 0.035 * self.frame.unit_px)
        alpha = fields.smoothstep(0.25, 0.75, soft + 0.1 * noise * (soft < 0.95) * (soft > 0.05))
        skin = colours.skin(self.person.tone, self.person.warmth)
        colour = colours.mix(self.colour, skin * 0.8, 0.2)
        self._finish(alpha, np.clip(1 + 0.22 * noise, 0.5, 1.6), colour, shadow=False)

    def _curls(self) -> None:
        unit, rng = self.frame.unit_px, self.rng
        afro = self.person.hair_style == "afro"
        grow = (0.3 if afro else 0.16) * self.person.hair_volume
        alpha = self._cap(grow, 0.35 if afro else 0.15)
        cell = (0.055 if afro else 0.11) * unit
        bumpy = fields.fractal_noise(rng, self.frame.shape, cell * 1.6, 3)
        soft = fields.blur(alpha, 0.06 * unit)
        rough = (0.1 if afro else 0.14) * bumpy * (soft < 0.99) * (soft > 0.01)
        alpha = fields.smoothstep(0.42, 0.58, soft + rough)
        coils = np.abs(fields.value_noise(rng, self.frame.shape, 0.8 * cell))
        small = np.abs(fields.value_noise(rng, self.frame.shape, 0.4 * cell))
        ridges = 1.3 - 0.4 * coils - 0.3 * small + 0.1 * bumpy
        fine = fields.value_noise(rng, self.frame.shape, max(0.02 * unit, 1))
        self._finish(alpha, np.clip(ridges + 0.12 * fine, 0.2, 1.6), self.colour, shadow=True)

    def _bun(self) -> None:
        centre = self.frame.project(np.array([[0.1, -1.55, -0.2]]))[0]
        x, y = fields.grid(self.frame.shape)
        radius = np.hypot(x - centre[0], (y - centre[1]) * 1.2) / self.frame.unit_px
        alpha = fields.smoothstep(0.4, 0.37, radius)
        swirl = np.sin(26 * radius + 2 * np.arctan2(y - centre[1], x - centre[0]))
        self._finish(alpha, (1 + 0.25 * swirl).astype(np.float32), self.colour, shadow=False)

    def _finish(
        self, alpha: np.ndarray, tone: np.ndarray, colour: np.ndarray, shadow: bool
    ) -> None:
        """Light hair of a given coverage, strand tone (a factor) and colour, and paint it."""
        unit = self.frame.unit_px
        if shadow:
            self.canvas.drop_shadow(alpha, 0.07 * unit)
        box = bounding_box(alpha)
        a, tone = alpha[box], tone[box]
        height = 0.5 * fields.inflate(a, 0.16 * unit) + self._volume[box] + 0.02 * unit * tone
        albedo = colours.scaled(colour, tone.astype(float) ** 1.5)
        gloss = 0.16 * tone**2 * (0.4 + 0.6 * float(colour.mean()) ** 0.5)
        surface = Surface(albedo, (0.3, 0.3, 0.3), gloss=gloss, shininess=8)
        self.canvas.paint(alpha, shade(surface, height, self.canvas.light), Part.HAIR)
