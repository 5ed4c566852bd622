# What grows: CPU per request against idle connections. Variables: data, ends, models, kind, output, mark.
# Readable without colour: each model has a point shape and a dash pattern of its own; the colours are Okabe's and Ito's.
if (kind eq 'svg') set terminal svg noenhanced size 1100,600 font 'sans-serif,14' background '#ffffff'
if (kind eq 'png') set terminal pngcairo noenhanced size 1100,600 font 'sans-serif,12' background '#ffffff'
set output output

colours = '#000000 #D55E00 #E69F00 #0072B2 #009E73 #CC79A7 #56B4E9 #7F7F7F'
shapes = '5 9 11 7 4 13 6 8'
dashes = '1 2 4 1 3 5 2 4'
do for [i = 1:words(models)] {
	j = (i - 1) % 8 + 1
	set linetype i lc rgb word(colours, j) lw 2 dt int(word(dashes, j)) pt int(word(shapes, j)) ps 1
}

# 0 has no logarithm: it stands to the left of a gap.
zero = 3
x(idle) = idle > 0 ? idle : zero
rows(model, active) = sprintf("< awk -F '\t' '$1 == \"%s\" && $3 == %d' %s", model, active, data)
stops(active) = sprintf("< awk -F '\t' '$3 == %d' %s", active, ends)

# A panel without data, after an early Ctrl-C, is drawn empty: an unseen point gives it an extent.
$unseen << END
10	10
END

set datafile separator tab
set logscale xy
set xrange [2:40000] # room for the labels of ends
set yrange [*:*]
set grid xtics ytics lc rgb '#dddddd' lt 1 lw 1 dt 1
set border 3
set tics nomirror
set xtics ('0' zero, '10' 10, '100' 100, '1 k' 1000, '5 k' 5000, '15 k' 15000)
set xlabel 'idle connections'
set ylabel 'CPU of the server per request, µs'
set key at screen 0.5, screen 0.08 center horizontal Left reverse samplen 4 # below both panels
set bmargin 8

set multiplot layout 1,2 title 'What a request costs beside idle connections'.mark
do for [active in '1 64'] {
	set title active.(active eq '1' ? ' active connection' : ' active connections')
	if (active eq '64') { unset key }
	set label 1 '∥' at 5.5, graph 0 center front
	plot $unseen using 1:2 with dots lc rgb '#ffffff' notitle, \
	     for [i = 1:words(models)] rows(word(models, i), int(active)) using (x($2)):($4 / 1000) with linespoints lt i title word(models, i), \
	     stops(int(active)) using (x($2)):($4 / 1000):(sprintf('%s ends at %s', strcol(1), strcol(2))) with labels right offset 0,1 font ',11' notitle
}
unset multiplot
