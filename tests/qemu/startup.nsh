@echo -off
fs0:
barexe.efi unverified display jobs=50
echo returned %lasterror%
barexe.efi unverified display jbos=50
echo returned %lasterror%
barexe.efi unverified display jobs=50
echo returned %lasterror%
reset -s
