# What features of io_uring save or cost: CPU per request as a ratio to the base. Variables: data, sets, loads, kind, output, mark.
# Readable without colour: each set of features has a point shape of its own; the colours are Okabe's and Ito's.
if (kind eq 'svg') set terminal svg noenhanced size 1100,900 font 'sans-serif,14' background '#ffffff'
if (kind eq 'png') set terminal pngcairo noenhanced size 1100,900 font 'sans-serif,12' background '#ffffff'
set output output

colours = '#D55E00 #E69F00 #0072B2 #009E73 #CC79A7 #56B4E9 #000000 #7F7F7F #882255 #117733 #AA7700'
shapes = '5 9 11 7 4 13 6 8 15 12 14'
n = words(sets) - 1 # the first is the base
do for [i = 1:n] {
	j = (i - 1) % 11 + 1
	set linetype i lc rgb word(colours, j) lw 1.5 pt int(word(shapes, j)) ps 1
}

# A load is a group; within it the sets stand side by side.
group(command, size, pipeline) = sprintf('%s %s %s', command, size, pipeline)
place(load, i) = load + 0.8 * (i - 0.5) / n - 0.4
rows(socket, set) = sprintf("< awk -F '\t' '!/^#/ && $1 == \"socket\" { next } $1 == \"%s\" && !(($2, $3, $4) in load) { load[$2, $3, $4] = ++last } $1 == \"%s\" && $5 == \"%s\" && $6 != \"refused\" { print load[$2, $3, $4] \"\t\" $10 \"\t\" $11 \"\t\" $12 }' %s", socket, socket, set, data)

# A panel without data, after an early Ctrl-C, is drawn empty: an unseen point gives it an extent.
$unseen << END
1	1
END

set datafile separator tab
set logscale y
least = 0.5
most = 2
stats sprintf("< awk -F '\t' '$11 + 0 > 0 { print $11 \"\t\" $12 }' %s", data) using (least = $1 < least ? $1 : least, most = $2 > most ? $2 : most) nooutput
set yrange [least / 1.1:most * 1.1]
set xrange [0.5:words(loads) + 0.5]
set grid ytics lc rgb '#dddddd' lt 1 lw 1 dt 1
set border 3
set tics nomirror
set ytics (0.25, 0.5, 0.7, 1, 1.4, 2, 3, 5, 10, 20, 50, 100)
unset xtics
do for [l = 1:words(loads)] {
	command = word(loads, l)
	do for [c = 1:strlen(command)] { if (command[c:c] eq '_') { command = command[1:c - 1].' '.command[c + 1:*] } }
	if (l == 1) { set xtics (command 1) scale 0 } else { set xtics add (command l) }
	if (l > 1) { set arrow from l - 0.5, graph 0 to l - 0.5, graph 1 nohead lc rgb '#dddddd' lw 1 }
}
set arrow from graph 0, first 1 to graph 1, first 1 nohead lc rgb '#000000' lw 1 dt 2
set ylabel 'CPU per request to the base'
set key below Left reverse samplen 1

set multiplot layout 2,1 title 'What features of io_uring save (below 1) or cost (above)'.mark
do for [socket in 'tcp unix'] {
	set title socket eq 'tcp' ? 'TCP over loopback' : 'Unix socket'
	plot $unseen using 1:2 with dots lc rgb '#ffffff' notitle, \
	     for [i = 1:n] rows(socket, word(sets, i + 1)) using (place($1, i)):2:3:4 with yerrorbars lt i title word(sets, i + 1)
}
unset multiplot
