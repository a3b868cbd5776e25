Bb_scaleJ
×#<