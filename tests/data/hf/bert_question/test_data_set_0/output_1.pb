B
end_logitsJ8çŸV¿5›@¾;¦†¿8Dx¿÷$¿ònw¿Ãz¿jãN¿£æ[¿äD¥¾àªo¿ò?%¾Ä>y¾hæ”½